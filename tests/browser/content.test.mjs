// What the portal's pages say and do. Everything here runs with script switched off.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { BASE, DATASETS, HTML_LANG, LANGUAGES, address, csvRows, launch, ofType } from './common.mjs';

const OPEN_TYPE = {
  unconditional: { zh: '无条件开放', en: 'Unconditional' },
  conditional: { zh: '有条件开放', en: 'Conditional' },
  closed: { zh: '非开放', en: 'Closed' },
};
const CONDITIONAL = 'community-health-visits';
const CLOSED = 'enterprise-inspection-clues';

let browser;
let context;
let page;

before(async () => {
  browser = await launch();
  context = await browser.newContext({ javaScriptEnabled: false, acceptDownloads: true });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
});
after(() => browser?.close());

const titles = () => page.locator('.card h2').allTextContents();
const sorted = (texts) => [...texts].sort();
const lang = () => page.locator('html').getAttribute('lang');
const rows = (table) => page.locator(`section:has(#${table}) table.${table} tbody tr`);

test('the datasets are the six shipped ones and the closed one that these tests know', () => {
  assert.equal(DATASETS.length, 7);
  assert.equal(ofType('unconditional').length, 5);
  assert.deepEqual(ofType('conditional').map(({ slug }) => slug), [CONDITIONAL]);
  assert.deepEqual(ofType('closed').map(({ slug }) => slug), [CLOSED]);
});

for (const language of LANGUAGES) {
  const other = LANGUAGES.find((one) => one !== language);

  test(`${language}: the home page lists every dataset with its title and open type`, async () => {
    await page.goto(address('/', language));
    assert.equal(await lang(), HTML_LANG[language]);
    assert.deepEqual(sorted(await titles()), sorted(DATASETS.map(({ title }) => title[language])));
    assert.equal(await page.locator('.found strong').textContent(), '7');
    for (const dataset of DATASETS) {
      const card = page.locator('.card').filter({ has: page.getByRole('link', { name: dataset.title[language], exact: true }) });
      assert.equal(await card.locator('.type').first().textContent(), OPEN_TYPE[dataset.openType][language]);
      assert.equal(await card.locator('.type.synthetic').count(), dataset.synthetic ? 1 : 0, dataset.slug);
      assert.equal(await card.locator('.other').textContent(), dataset.title[other]);
      for (const part of await card.locator('.meta span').allTextContents()) assert.notEqual(part.trim(), '', dataset.slug);
    }
    await page.getByRole('link', { name: DATASETS[0].title[language], exact: true }).click();
    assert.equal(new URL(page.url()).pathname, `/datasets/${DATASETS[0].slug}`);
    assert.equal(await page.locator('h1').textContent(), DATASETS[0].title[language]);
    assert.equal(await lang(), HTML_LANG[language]);
  });

  test(`${language}: the filter works without script`, async () => {
    for (const openType of Object.keys(OPEN_TYPE)) {
      await page.goto(address('/', language));
      await page.locator('select[name=open_type]').selectOption(openType);
      await page.locator('.filters button').click();
      await page.waitForURL((url) => url.searchParams.get('open_type') === openType);
      assert.equal(await lang(), HTML_LANG[language]);
      assert.equal(await page.locator('select[name=open_type]').inputValue(), openType);
      assert.deepEqual(sorted(await titles()), sorted(ofType(openType).map(({ title }) => title[language])));
    }
    await page.locator('select[name=theme]').selectOption('health');
    await page.locator('.filters button').click();
    await page.waitForURL((url) => url.searchParams.get('theme') === 'health');
    assert.deepEqual(await titles(), []);
    await page.locator('.empty a').click();
    assert.equal((await titles()).length, 7);
    assert.equal(await lang(), HTML_LANG[language]);
  });

  test(`${language}: the language link switches and keeps the page`, async () => {
    const pages = ['/', '/register?q=%E6%A8%A1%E5%9E%8B%26x&in_force=true', '/?open_type=closed&publisher=xuhui-market-regulation', '/problems/not-found'];
    for (const where of [...pages, ...DATASETS.map(({ slug }) => `/datasets/${slug}`)]) {
      const start = new URL(address(where, language));
      await page.goto(start.href);
      await page.locator('nav a.language').click();
      await page.waitForURL((url) => url.searchParams.get('lang') === other);
      assert.equal(await lang(), HTML_LANG[other]);
      const end = new URL(page.url());
      assert.equal(end.pathname, start.pathname);
      start.searchParams.set('lang', other);
      assert.deepEqual(sorted([...end.searchParams].join(';').split(';')), sorted([...start.searchParams].join(';').split(';')));
    }
  });

  test(`${language}: the page of an unconditional dataset shows fields, ten rows and downloads`, async () => {
    for (const dataset of ofType('unconditional')) {
      await page.goto(address(`/datasets/${dataset.slug}`, language));
      assert.equal(await page.locator('h1').textContent(), dataset.title[language]);
      assert.equal(await page.locator('.type').first().textContent(), OPEN_TYPE.unconditional[language]);
      const names = dataset.fields.map(({ name }) => name);
      assert.ok(names.length > 0, dataset.slug);
      assert.deepEqual(await rows('fields').locator('th').allTextContents(), names);
      assert.deepEqual(await rows('fields').locator('.title').allTextContents(), dataset.fields.map(({ title }) => title[language]));
      assert.deepEqual(await page.locator('table.preview thead th').allTextContents(), names);
      assert.equal(await rows('preview').count(), 10, dataset.slug);
      assert.notEqual((await rows('preview').first().locator('td').first().textContent()).trim(), '');
      const links = await page.locator('.downloads a[download]').evaluateAll((all) => all.map((link) => link.href));
      assert.equal(links.length, 6, dataset.slug);
      for (const link of links) {
        const answer = await context.request.get(link);
        assert.equal(answer.status(), 200, link);
        const format = new URL(link).searchParams.get('format');
        const ending = format === 'arrow' ? 'arrows' : format;
        assert.match(answer.headers()['content-disposition'], new RegExp(`^attachment; filename="${dataset.slug}-v1\\.${ending}"$`));
        assert.ok((await answer.body()).length > 0, link);
      }
    }
  });

  test(`${language}: the page of a conditional dataset tells how to apply, and gives nothing out`, async () => {
    const dataset = DATASETS.find(({ slug }) => slug === CONDITIONAL);
    await page.goto(address(`/datasets/${CONDITIONAL}`, language));
    assert.equal(await page.locator('h1').textContent(), dataset.title[language]);
    assert.equal(await page.locator('a[download], .downloads, table.preview').count(), 0);
    const note = page.locator('.note');
    const say = { zh: ['为何有条件开放', '开放条件', '如何申请', '180 天'], en: ['Why it is conditional', 'Conditions', 'How to apply', '180 days'] };
    for (const text of say[language]) assert.ok((await note.textContent()).includes(text), text);
    assert.equal(await note.locator('ol li').count(), 4);

    const rules = {};
    for (const row of await rows('fields').all()) {
      const label = { zh: '发布方式', en: 'In a release' }[language];
      rules[await row.locator('th').textContent()] = await row.locator(`td[data-label="${label}"]`).textContent();
    }
    const [pseudonym, drop, year, moved, keep] = {
      zh: ['以本授权专用密钥假名化', '不提供', '仅保留年份', '按对象整体平移至多 14 天，间隔不变', '原样'],
      en: [
        'As a pseudonym keyed for this grant alone',
        'Left out',
        'Its year only',
        'Moved by up to 14 days, by the same number for all rows of one subject',
        'As it is',
      ],
    }[language];
    const special = { visit_id: pseudonym, resident_id: pseudonym, resident_name: drop, mobile: drop, birth_date: year, visit_date: moved };
    assert.deepEqual(rules, Object.fromEntries(dataset.fields.map(({ name }) => [name, special[name] ?? keep])));

    const html = await page.content();
    const visits = csvRows(CONDITIONAL, 'visits.csv');
    assert.equal(visits.length, 20_000);
    for (const visit of visits) {
      for (const name of ['visit_id', 'resident_id', 'mobile']) {
        assert.ok(visit[name].length > 5 && !html.includes(visit[name]), `${name} ${visit[name]} is on the page`);
      }
    }
  });

  test(`${language}: the page of a closed dataset gives its reason, and nothing out`, async () => {
    await page.goto(address(`/datasets/${CLOSED}`, language));
    assert.equal(await page.locator('.type').first().textContent(), OPEN_TYPE.closed[language]);
    const reason = { zh: '线索未经核实，公开会损害企业声誉和商业秘密', en: 'The clues are unverified. Opening them would harm' }[language];
    assert.ok((await page.locator('.note').textContent()).includes(reason));
    assert.equal(await rows('fields').count(), 5);
    assert.equal(await page.locator('a[download], .downloads, table.preview, .note ol').count(), 0);
  });

  test(`${language}: a page without ?lang= is in the browser's language`, async () => {
    const local = await browser.newContext({ locale: HTML_LANG[language], javaScriptEnabled: false });
    const localPage = await local.newPage();
    for (const where of ['/', `/datasets/${CLOSED}`, '/problems/not-found']) {
      await localPage.goto(address(where));
      assert.equal(await localPage.locator('html').getAttribute('lang'), HTML_LANG[language], where);
    }
    await local.close();
  });
}

test('a click on a download link downloads the whole file', async () => {
  await page.goto(address('/datasets/xuhui-residents-committees', 'zh'));
  const want = csvRows('xuhui-residents-committees', 'xuhui_residents_committees.csv');
  assert.equal(want.length, 313);
  for (const format of ['CSV', 'JSON', 'NDJSON', 'PARQUET']) {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: format, exact: true }).click(),
    ]);
    assert.equal(await download.failure(), null);
    assert.equal(download.suggestedFilename(), `xuhui-residents-committees-v1.${format.toLowerCase()}`);
    const bytes = await readFile(await download.path());
    const text = bytes.toString('utf8');
    if (format === 'CSV') assert.equal(text.trim().split(/\r?\n/).length, 1 + want.length);
    if (format === 'JSON') assert.deepEqual(JSON.parse(text), want);
    if (format === 'NDJSON') assert.deepEqual(text.trim().split('\n').map((line) => JSON.parse(line)), want);
    if (format === 'PARQUET') assert.deepEqual([text.slice(0, 4), text.slice(-4)], ['PAR1', 'PAR1']);
  }
});

test('an unknown dataset, kind of problem and page are 404', async () => {
  for (const where of ['/datasets/there-is-none', '/problems/there-is-none', '/there-is-none', '/assets/there-is-none']) {
    for (const language of LANGUAGES) {
      const answer = await page.goto(address(where, language));
      assert.equal(answer.status(), 404, where);
    }
  }
});

test('what a visitor puts into the address is never markup of the page', async () => {
  const evil = '"><script>alert(1)</script>';
  const answer = await page.goto(`${BASE}/?lang=zh&theme=${encodeURIComponent(evil)}&publisher=${encodeURIComponent(evil)}`);
  assert.equal(answer.status(), 200);
  assert.equal(await page.locator('script').count(), 0);
  assert.deepEqual(await titles(), []);
});
