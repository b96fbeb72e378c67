// A firm comes in on pages: it registers, the operator approves it, it makes clients and attaches a document, which the reviewer downloads.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import {
  DESKTOP, LANGUAGES, PHONE, address, enter, form, launch, looker, newStaff, noSidewaysScroll, pathOf, press, uscc,
} from './common.mjs';

const SLUG = 'community-health-visits';
const PASSWORD = 'a password of the firm';
const PDF = Buffer.from('%PDF-1.7\nHow the data is kept safe.\n');

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const fill = async (page, fields) => {
  for (const [name, text] of Object.entries(fields)) await page.locator(`main [name=${name}]`).fill(text);
};

const publicKey = () => generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });

// The registration, from the page of the log-in on; answers what to log in with.
async function register(page, language, look) {
  const code = uscc();
  const username = `registered-${code.toLowerCase()}`;
  await page.goto(address('/login', language));
  await page.locator('main a[href^="/register-firm"]').click();
  const contact = { contact_name: '李雷 Li Lei', contact_email: 'nobody', contact_phone: '021-64872222' };
  await fill(page, { name: '徐汇示例智能科技有限公司', uscc: code.slice(0, 17) + (code.endsWith('1') ? '2' : '1'), ...contact });
  await fill(page, { username, password: PASSWORD, again: 'another password of the firm' });
  await press(page, '/register-firm');
  assert.equal(await page.locator('.wrong').count(), 3, 'the code, the address and the second password');
  assert.equal(await page.locator('input[name=contact_name]').inputValue(), contact.contact_name);
  assert.equal(await page.locator('input[name=password]').inputValue(), '');
  await look(page, 'register-firm-wrong');
  await fill(page, { uscc: code, contact_email: 'li@example.org', password: PASSWORD, again: PASSWORD });
  await press(page, '/register-firm');
  await look(page, 'registered-firm');
  await page.locator('main a.button[href^="/login"]').click();
  await fill(page, { username, password: PASSWORD });
  await page.locator('main button[type=submit]').click();
  assert.equal(pathOf(page), '/firm');
  await look(page, 'firm-waiting');
  return code;
}

// The operator finds the firm among those that wait, and approves it.
async function approve(page, language, code, look) {
  await page.locator('nav.rooms a[href^="/console/firms"]').click();
  await look(page, 'console-firms');
  await page.locator('.card', { hasText: code }).locator('h2 a').click();
  await page.locator('.danger summary').click();
  await look(page, 'console-firm-waiting');
  await form(page, '/steps/approval').locator('textarea').fill('执照与代码一致。The licence fits the code.');
  await press(page, '/steps/approval');
  assert.equal(await page.locator('.done').count(), 1);
  assert.equal(await page.locator('.type.approved').count(), 1);
}

async function makeClients(page, language, look) {
  await page.goto(address('/firm', language));
  await page.locator('nav.rooms a[href^="/firm/clients"]').click();
  await look(page, 'clients-empty');
  await fill(page, { name: '夜间任务 nightly', public_key: '{"kty": "RSA"}' });
  await press(page, '/firm/clients');
  assert.equal(await page.locator('.wrong').count(), 1);
  await look(page, 'clients-wrong');
  await fill(page, { public_key: publicKey() });
  await press(page, '/firm/clients');
  assert.match(pathOf(page), /^\/firm\/clients\/[0-9a-f-]+$/);
  await look(page, 'client');
  await press(page, '/steps/token-revocation');
  assert.equal(await page.locator('.done').count(), 1);
  await page.goto(address('/firm/clients', language));
  await page.locator('input[value=secret]').check();
  await fill(page, { name: '试用 trial' });
  await press(page, '/firm/clients');
  const secret = await page.locator('.secret').textContent();
  assert.match(secret, /^qdc_/);
  await look(page, 'client-secret');
  await page.locator('#secret a.button').click();
  assert.ok(!(await page.content()).includes(secret), 'it is shown once');
  await press(page, '/steps/revocation');
  await look(page, 'client-revocation');
  await press(page, '/steps/revocation');
  assert.equal(await page.locator('.type.revoked').count(), 1);
  await page.goto(address('/firm/clients', language));
  assert.equal(await page.locator('.card').count(), 2);
  await look(page, 'clients');
}

// Where the changes of the list are sent: to an address and to a program. No mail server takes anything here.
async function follow(page, language, look) {
  await page.goto(address('/firm', language));
  await page.locator('nav.rooms a[href^="/firm/following"]').click();
  await look(page, 'following-empty');
  await fill(page, { address: 'nobody' });
  await form(page, '/following/mail').locator('input[value="dataset.suspended"]').check();
  await form(page, '/following/mail').locator('textarea').fill(`${SLUG} no-such-dataset`);
  await press(page, '/following/mail');
  assert.equal(await page.locator('.wrong').count(), 1);
  assert.ok(await form(page, '/following/mail').locator('input[value="dataset.suspended"]').isChecked());
  await look(page, 'following-wrong');
  await fill(page, { address: `li-${uscc().toLowerCase()}@example.org` });
  await press(page, '/following/mail');
  assert.equal(await page.locator('.wrong').count(), 1);
  await form(page, '/following/mail').locator('textarea').fill(SLUG);
  await press(page, '/following/mail');
  assert.equal(pathOf(page), '/firm/following');
  assert.equal(await page.locator('.type.pending').count(), 1);
  await fill(page, { url: 'https://localhost/hooks/qingdan/changes-of-the-open-data-list' });
  await press(page, '/following/webhooks');
  const secret = await page.locator('.secret').textContent();
  assert.match(secret, /^whsec_/);
  await look(page, 'following-secret');
  await page.locator('#secret a.button').click();
  assert.ok(!(await page.content()).includes(secret), 'it is shown once');
  assert.equal(await page.locator('.card').count(), 2);
  await look(page, 'following');
  await press(page, '/following/webhooks/');
  await look(page, 'following-removal');
  await press(page, '/steps/removal');
  assert.equal(await page.locator('.done').count(), 1);
  assert.equal(await page.locator('.card').count(), 1);
}

// A draft with a document, which is submitted; answers its page.
async function attach(page, language, look) {
  await page.goto(address(`/datasets/${SLUG}/apply`, language));
  for (const box of await page.locator('input[name=safeguards_met]').all()) await box.check();
  for (const value of ['evaluation', 'sex', 'diagnosis_group', 'api']) await page.locator(`input[value=${value}]`).check();
  await fill(page, { purpose: '用于评测社区就诊量预测模型。To evaluate a forecast.', term_days: '30', safeguards: '磁盘加密，仅两人可访问。' });
  await press(page, '/apply');
  const application = pathOf(page);
  await look(page, 'firm-no-documents');
  const document = page.locator('input[name=document]');
  await document.setInputFiles({ name: '安全措施.pdf', mimeType: 'application/pdf', buffer: PDF });
  await press(page, '/attachments?');
  assert.equal(await page.locator('.documents li').count(), 1);
  // The answer comes also where the file is far larger than what is read of it.
  await document.setInputFiles({ name: 'large.pdf', mimeType: 'application/pdf', buffer: Buffer.concat([PDF, Buffer.alloc(40_000_000, 7)]) });
  await press(page, '/attachments?');
  assert.equal(await page.locator('.wrong').count(), 1);
  await look(page, 'firm-document-too-large');
  await document.setInputFiles({ name: 'a second one with a rather long name, as people have them, on backups and access.txt', mimeType: '', buffer: Buffer.from('备份') });
  await press(page, '/attachments?');
  await look(page, 'firm-documents');
  await page.locator('.documents form button').last().click();
  assert.equal(await page.locator('.documents li').count(), 1);
  await press(page, '/steps/submission');
  return application;
}

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`${language}, ${size}: a firm comes in`, async () => {
      const options = { viewport, colorScheme: size === 'phone' ? 'dark' : 'light' };
      const [ours, theirs, others] = [await browser.newContext(options), await browser.newContext(options), await browser.newContext(options)];
      const [operator, reviewer] = [await newStaff(['operator']), await newStaff(['reviewer'])];
      const look = looker(language, size);

      const page = await ours.newPage();
      const code = await register(page, language, look);
      const desk = await enter(theirs, '/console', language, operator);
      await approve(desk, language, code, look);
      await makeClients(page, language, look);
      await follow(page, language, look);
      const application = await attach(page, language, look);

      const review = await enter(others, application.replace('/firm/', '/console/'), language, reviewer);
      await look(review, 'console-documents');
      const [download] = await Promise.all([review.waitForEvent('download'), review.locator('.documents a').first().click()]);
      assert.equal(download.suggestedFilename(), '安全措施.pdf');
      assert.ok(readFileSync(await download.path()).equals(PDF));

      await desk.reload();
      await desk.locator('.card summary').first().click();
      await look(desk, 'console-firm');
      await form(desk, '/suspension').last().locator('textarea').fill('核查中。It is being looked at.');
      await form(desk, '/suspension').last().locator('button').click();
      assert.equal(await desk.locator('h1 + .tags .type.suspended').count(), 1);
      await desk.locator('.danger summary').last().click();
      await form(desk, '/steps/revocation').last().locator('textarea').fill('不再符合条件。');
      await form(desk, '/steps/revocation').last().locator('button').click();
      await look(desk, 'console-firm-revocation');
      await page.goto(address('/firm/clients', language));
      await look(page, 'clients-suspended');
      await Promise.all([ours.close(), theirs.close(), others.close()]);
    });
  }
}

test('the pages by which a firm comes in fit a view of 320 px', async () => {
  const context = await browser.newContext({ viewport: { width: 320, height: 640 }, javaScriptEnabled: false });
  const silent = async () => {};
  const firm = await context.newPage();
  const code = await register(firm, 'en', silent);
  const staff = await browser.newContext({ viewport: { width: 320, height: 640 } });
  const desk = await enter(staff, '/console', 'en', await newStaff(['operator']));
  await approve(desk, 'en', code, silent);
  const looked = await (await browser.newContext({ viewport: { width: 320, height: 640 }, storageState: await context.storageState() })).newPage();
  await noSidewaysScroll(desk, 'the firm on the console');
  await desk.goto(address('/console/firms?state=all', 'en'));
  await noSidewaysScroll(desk, 'the firms');
  for (const where of ['/register-firm', '/firm/following', '/firm/clients']) {
    await looked.goto(address(where, 'en'));
    await noSidewaysScroll(looked, where);
  }
  await fill(looked, { name: 'x', public_key: publicKey() });
  await press(looked, '/firm/clients');
  await noSidewaysScroll(looked, 'a client');
  await Promise.all([context.close(), staff.close(), looked.context().close()]);
});
