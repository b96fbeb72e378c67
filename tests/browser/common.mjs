// What the tests share: the browser, the pages, and what is known of the datasets.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run tests/browser/run.sh`);
  return value;
}

export const BASE = setting('QINGDAN_URL');
const WORK = setting('QINGDAN_BROWSER_TESTS');
const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const require = createRequire(path.join(WORK, 'package.json'));
const { chromium } = require('playwright-core');

export const axeSource = () => readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
export const shot = (name) => path.join(WORK, 'shots', `${name}.png`);

export const LANGUAGES = ['zh', 'en'];
export const HTML_LANG = { zh: 'zh-CN', en: 'en' };
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

// A name that is not the local machine, for it: some parts of a page ask outside only from a public address.
export const NAMED = BASE.replace('127.0.0.1', 'portal.qingdan.test');

export function launch() {
  return chromium.launch({
    executablePath: setting('QINGDAN_CHROMIUM'),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
      '--no-proxy-server',
      '--host-resolver-rules=MAP portal.qingdan.test 127.0.0.1',
    ],
  });
}

// The entries as their files say, read without the service. Only what stands on a line of its own is needed.
export const DATASETS = ['datasets', 'tests/datasets']
  .flatMap((folder) => readdirSync(path.join(ROOT, folder), { withFileTypes: true }).map((entry) => ({ folder, entry })))
  .filter(({ entry }) => entry.isDirectory())
  .map(({ folder, entry: { name: slug } }) => {
    const text = readFileSync(path.join(ROOT, folder, slug, 'dataset.toml'), 'utf8');
    const one = (pattern) => {
      const found = pattern.exec(text);
      assert.ok(found, `${slug}: ${pattern} is in dataset.toml`);
      return found;
    };
    const [, zh, en] = one(/^title = \{ zh = "(.*?)", en = "(.*?)" \}$/m);
    const fields = text.split(/^\[\[fields\]\]$/m).slice(1);
    return {
      slug,
      title: { zh, en },
      openType: one(/^open_type = "(\w+)"$/m)[1],
      synthetic: /^synthetic = true$/m.test(text),
      fields: fields.map((field) => {
        const [, titleZh, titleEn] = /^title = \{ zh = "(.*?)", en = "(.*?)" \}$/m.exec(field);
        return { name: /^name = "(.*?)"$/m.exec(field)[1], title: { zh: titleZh, en: titleEn } };
      }),
    };
  });

export const ofType = (openType) => DATASETS.filter((dataset) => dataset.openType === openType);

// A CSV file's rows; the shipped files that the tests read have no line breaks inside of values.
export function csvRows(slug, file) {
  const lines = readFileSync(path.join(ROOT, 'datasets', slug, file), 'utf8').trim().split(/\r?\n/);
  const names = lines[0].split(',');
  return lines.slice(1).map((line) => {
    const cells = line.split(',');
    return Object.fromEntries(names.map((name, index) => [name, cells[index]]));
  });
}

// Every portal page: a name for files, and a path that takes ?lang=.
export const PORTAL = [
  ['home', '/'],
  ['home-empty', '/?open_type=closed&theme=health'],
  ...DATASETS.map(({ slug }) => [`dataset-${slug}`, `/datasets/${slug}`]),
  ['open-list', '/open-list'],
  ['register', '/register'],
  ['requests', '/requests'],
  ['reuses', '/reuses'],
  ['receipt', '/receipt'],
  ['feedback', '/datasets/xuhui-subdistricts/feedback'],
  ['problem', '/problems/not-found'],
  ['login', '/login'],
  ['register-firm', '/register-firm'],
];

export function address(pathAndQuery, language, base = BASE) {
  const url = new URL(pathAndQuery, base);
  if (language) url.searchParams.set('lang', language);
  return url.href;
}

// Opens a page and collects what must not happen on it. `check` fails when something did.
export async function open(context, url) {
  const page = await context.newPage();
  const origin = new URL(url).origin;
  const bad = [];
  let requests = 0;
  page.on('request', (request) => {
    requests += 1;
    const to = new URL(request.url());
    if (to.origin !== origin && to.protocol !== 'data:') bad.push(`a request goes outside: ${request.url()}`);
  });
  page.on('websocket', (socket) => bad.push(`a socket is opened: ${socket.url()}`));
  page.on('requestfailed', (request) => bad.push(`a request failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) bad.push(`${response.status()} for ${response.url()}`);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') bad.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => bad.push(`error on the page: ${error}`));
  const response = await page.goto(url, { waitUntil: 'load' });
  assert.equal(response.status(), 200, url);
  const check = () => {
    assert.ok(requests > 0, `no request of ${url} was seen`);
    assert.deepEqual(bad, [], url);
  };
  return { page, response, check };
}

export async function api(method, where, token, body) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(new URL(where, BASE), { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${where}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

const operatorToken = async () =>
  (await api('POST', '/api/v1/sessions', null, { username: 'operator', password: setting('QINGDAN_PASSWORD') })).token;

// A person of their own for one test, who has a one-time password.
let people = 0;
export async function newPerson(roles = ['reviewer'], publisher = undefined) {
  people += 1;
  const person = { username: `browser-${process.pid}-${people}`, display_name: '王小明 Wang Xiaoming', roles, publisher };
  const created = await api('POST', '/api/v1/admin/people', await operatorToken(), person);
  return { username: person.username, password: created.one_time_password, id: created.person.id };
}

// A person with roles who has a password of their own.
export async function newStaff(roles, publisher = undefined) {
  const { username, password } = await newPerson(roles, publisher);
  const { token } = await api('POST', '/api/v1/sessions', null, { username, password });
  const changed = { username, password: 'a password of their own' };
  await api('PUT', '/api/v1/people/me/password', token, { current: password, new: changed.password });
  return changed;
}

// A made-up 统一社会信用代码 with both check digits right (GB 11714, GB 32100).
export function uscc() {
  people += 1;
  const signs = '0123456789ABCDEFGHJKLMNPQRTUWXY';
  const number = `MA${String((process.pid * 1000 + people) % 1_000_000).padStart(6, '0')}`;
  const value = (sign) => '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(sign);
  const sum = [...number].reduce((total, sign, at) => total + value(sign) * [3, 7, 9, 10, 5, 8, 4, 2][at], 0);
  const body = `91310199${number}${'0123456789X0'[11 - (sum % 11)]}`;
  const weighted = [...body].reduce(([total, weight], sign) => [total + signs.indexOf(sign) * weight, (weight * 3) % 31], [0, 1])[0];
  return body + signs[(31 - (weighted % 31)) % 31];
}

// A firm that may act, and its person, who has a second factor with recovery codes.
export async function newFirm() {
  const code = uscc();
  const account = { username: `firm-${process.pid}-${people}`, password: 'a password of the firm' };
  const contact = { name: '联系人', email: 'contact@example.org' };
  const registered = await api('POST', '/api/v1/firms', null, { name: '徐汇示例智能科技有限公司', uscc: code, contact, account });
  const operator = await operatorToken();
  await api('POST', `/api/v1/admin/firms/${registered.firm.id}/decision`, operator, { approve: true, reason: 'papers are in order' });
  const { token } = await api('POST', '/api/v1/sessions', null, account);
  const base = '/api/v1/people/me/second-factor';
  const { secret } = await api('POST', base, token, { password: account.password });
  // The code of the step before: that of now is for later.
  const { recovery_codes: recovery } = await api('POST', `${base}/confirmation`, token, { code: codeOf(secret, -1) });
  return { ...account, id: registered.firm.id, secret, recovery, operator };
}

// The code that an app makes at this moment (RFC 6238), of a secret in base32.
export function codeOf(secret, steps = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...secret].map((sign) => alphabet.indexOf(sign).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const tag = createHmac('sha1', key).update(step).digest();
  const number = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

export async function noSidewaysScroll(page, what) {
  const [content, view] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  assert.ok(content <= view, `${what}: the content is ${content} px wide in a view of ${view} px`);
}

// The path of a page.
export const pathOf = (page) => new URL(page.url()).pathname;

// Goes to a page, logs in where that is asked, and comes back to it.
export async function enter(context, where, language, { username, password, code = '' }) {
  const page = await context.newPage();
  await page.goto(address(where, language));
  assert.equal(pathOf(page), '/login', 'nobody is logged in');
  await page.locator('input[name=username]').fill(username);
  await page.locator('input[name=password]').fill(password);
  await page.locator('input[name=code]').fill(code);
  await page.locator('main button[type=submit]').click();
  assert.equal(pathOf(page), where, 'the log-in leads back');
  return page;
}

// Looks at a page: a screenshot, no sideways scrolling, no serious finding of axe.
export function looker(language, size) {
  const axe = axeSource();
  return async (page, name) => {
    const what = `${name} ${language} ${size}`;
    assert.equal(await page.locator('html').getAttribute('lang'), HTML_LANG[language], what);
    assert.equal(await page.locator('script').count(), 0, what);
    assert.equal(await page.locator('h1').count(), 1, what);
    await page.screenshot({ path: shot(`${name}-${language}-${size}`), fullPage: true });
    await noSidewaysScroll(page, what);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document));
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`), [], what);
  };
}

// The button of the form that goes to this address.
export const form = (page, action) => page.locator(`form[action*="${action}"]`);
export const press = (page, action) => form(page, action).locator('button[type=submit]').click();
