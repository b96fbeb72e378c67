// The page of the API document at /docs/: complete, usable, and all of it from the service.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { BASE, DESKTOP, NAMED, PHONE, address, launch, noSidewaysScroll, open, shot } from './common.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function operations() {
  const document = await (await fetch(`${BASE}/openapi.json`)).json();
  const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];
  return Object.entries(document.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })));
}

// Under the local address and under a name as it has in service.
for (const base of [BASE, NAMED]) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`/docs/ at ${base === BASE ? 'the local address' : 'a name'}, ${size}: shows every operation and asks only the service`, async () => {
      const context = await browser.newContext({ viewport });
      const { page, check } = await open(context, `${base}/docs/`);
      await page.getByText('List datasets').waitFor({ timeout: 20_000 });
      assert.equal(await page.locator('.opblock').count(), (await operations()).length);
      await page.waitForLoadState('networkidle');
      await page.screenshot({ path: shot(`docs-${size}`), fullPage: true });
      await noSidewaysScroll(page, `/docs/ ${size}`);
      check();
      await context.close();
    });
  }
}

test('/docs/ sends a request of the visitor to the service', async () => {
  const context = await browser.newContext({ viewport: DESKTOP });
  const { page, check } = await open(context, `${NAMED}/docs/#/catalog/list_themes`);
  const block = page.locator('#operations-catalog-list_themes');
  await block.locator('button.execute').click();
  const status = block.locator('.live-responses-table .response .response-col_status').first();
  await status.waitFor({ timeout: 20_000 });
  await page.waitForLoadState('networkidle');
  assert.match(await status.textContent(), /200/);
  check();
  await context.close();
});

test('links of dataset pages into /docs/ open an operation', async () => {
  const context = await browser.newContext({ viewport: DESKTOP });
  const links = new Set();
  for (const slug of ['community-health-visits', 'xuhui-residents-committees']) {
    const { page } = await open(context, address(`/datasets/${slug}`, 'en'));
    for (const link of await page.locator('a[href^="/docs/#"]').all()) links.add(await link.getAttribute('href'));
    await page.close();
  }
  assert.equal(links.size, 3);
  const known = (await operations()).map(({ tags, operationId }) => `/docs/#/${tags[0]}/${operationId}`);
  for (const link of links) {
    assert.ok(known.includes(link), `${link} names an operation`);
    const { page, check } = await open(context, BASE + link);
    await page.locator('.opblock.is-open').waitFor({ timeout: 20_000 });
    await page.waitForLoadState('networkidle');
    check();
    await page.close();
  }
  await context.close();
});

test('/docs leads to /docs/', async () => {
  const context = await browser.newContext();
  const { page, check } = await open(context, `${BASE}/docs`);
  assert.equal(new URL(page.url()).pathname, '/docs/');
  check();
  await context.close();
});
