// People log in, change the one-time password, set up a second factor, and end sessions: on pages, with a cookie, without script.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, HTML_LANG, LANGUAGES, PHONE, address, axeSource, codeOf, launch, newPerson, noSidewaysScroll, open, shot } from './common.mjs';

const axe = axeSource();
const PASSWORD = 'a password of their own';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function logIn(page, { username, password, code = '' }) {
  await page.locator('input[name=username]').fill(username);
  await page.locator('input[name=password]').fill(password);
  await page.locator('input[name=code]').fill(code);
  await page.locator('main button[type=submit]').click();
}

async function changePassword(page, from, to) {
  const form = page.locator('form[action^="/account/password"]');
  await form.locator('input[name=current]').fill(from);
  await form.locator('input[name=new]').fill(to);
  await form.locator('input[name=again]').fill(to);
  await form.locator('button').click();
}

const path = (page) => new URL(page.url()).pathname;
const secretOf = async (page) => (await page.locator('.secret').textContent()).replaceAll(' ', '');

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`${language}, ${size}: from the one-time password to the second factor`, async () => {
      const context = await browser.newContext({ viewport, colorScheme: size === 'phone' ? 'dark' : 'light' });
      const person = await newPerson();
      const { page, check } = await open(context, address('/login', language));
      const look = async (name) => {
        assert.equal(await page.locator('html').getAttribute('lang'), HTML_LANG[language]);
        assert.equal(await page.locator('script').count(), 0, name);
        await page.screenshot({ path: shot(`${name}-${language}-${size}`), fullPage: true });
        await noSidewaysScroll(page, `${name} ${language} ${size}`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => window.axe.run(document));
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`), [], name);
      };

      await logIn(page, person);
      assert.equal(path(page), '/account');
      assert.equal(await page.locator('form[action^="/account/second-factor"]').count(), 0, 'nothing but the password');
      await look('account-one-time');
      const [cookie] = await context.cookies();
      const { name, secure, httpOnly, sameSite, path: where } = cookie;
      assert.deepEqual([name, secure, httpOnly, sameSite, where], ['__Host-qingdan', true, true, 'Lax', '/']);

      await changePassword(page, person.password, PASSWORD);
      assert.equal(await page.locator('.done').count(), 1);
      assert.notEqual((await context.cookies())[0].value, cookie.value, 'the session has another token');
      await look('account');

      const begin = page.locator('form[action^="/account/second-factor"]');
      await begin.locator('input[name=password]').fill(PASSWORD);
      await begin.locator('button').click();
      assert.equal(path(page), '/account/second-factor');
      assert.ok((await page.locator('.qr svg').boundingBox()).width > 150);
      await look('second-factor');
      await page.locator('input[name=code]').fill(codeOf(await secretOf(page)));
      await page.locator('main button').click();
      const codes = await page.locator('.codes code').allTextContents();
      assert.equal(codes.length, 10);
      await look('recovery-codes');
      await page.locator('main a.button').click();
      assert.equal(path(page), '/account');
      assert.equal(await page.locator('.sessions li').count(), 1);
      for (const summary of await page.locator('summary').all()) await summary.click();
      await look('account-second-factor');
      await page.locator('.leave button').click();
      assert.equal(path(page), '/login');
      assert.deepEqual(await context.cookies(), []);
      check();
      await context.close();
    });
  }

  test(`${language}: a log-in asks for the code, and sessions are ended, without script`, async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const [page, person] = [await context.newPage(), await newPerson()];
    await page.goto(address('/account', language));
    assert.equal(path(page), '/login', 'nobody is logged in');
    await logIn(page, { ...person, password: 'wrong' });
    assert.equal(await page.locator('.fault').count(), 1);
    assert.equal(await page.locator('input[name=username]').inputValue(), person.username);
    assert.equal(await page.locator('input[name=password]').inputValue(), '');
    await page.screenshot({ path: shot(`login-wrong-${language}`), fullPage: true });
    await page.locator('nav a.language').click();
    assert.notEqual(await page.locator('html').getAttribute('lang'), HTML_LANG[language]);
    await page.goto(address('/login', language));
    await logIn(page, person);
    await changePassword(page, person.password, PASSWORD);
    await page.locator('form[action^="/account/second-factor"] input[name=password]').fill(PASSWORD);
    await page.locator('form[action^="/account/second-factor"] button').click();
    await page.locator('input[name=code]').fill(codeOf(await secretOf(page)));
    await page.locator('main button').click();
    const codes = await page.locator('.codes code').allTextContents();

    const other = await browser.newContext({ javaScriptEnabled: false });
    const second = await other.newPage();
    await second.goto(address('/login', language));
    await logIn(second, { username: person.username, password: PASSWORD });
    assert.equal(await second.locator('.fault').count(), 1, 'a code is asked for');
    await logIn(second, { username: person.username, password: PASSWORD, code: codes[0] });
    assert.equal(path(second), '/account');

    await page.goto(address('/account', language));
    assert.equal(await page.locator('.sessions li').count(), 2);
    await page.screenshot({ path: shot(`account-sessions-${language}`), fullPage: true });
    await page.locator('.sessions form button').click();
    assert.equal(await page.locator('.sessions li').count(), 1);
    await second.goto(address('/account', language));
    assert.equal(path(second), '/login', 'that session has ended');
    await other.close();
    await context.close();
  });
}

// A neighbour on another port is the same site: the cookie comes along. One under another name is not.
for (const neighbour of ['http://127.0.0.1:18999', 'http://portal.qingdan.test']) {
  test(`${neighbour} cannot use the cookie`, async () => {
    const context = await browser.newContext();
    const person = await newPerson();
    const { page } = await open(context, address('/login', 'en'));
    await logIn(page, person);
    // Even when it knows the token of the form.
    const csrf = await page.locator('.leave input[name=csrf]').inputValue();
    const other = await context.newPage();
    const body = `<form method="post" action="${address('/logout')}"><input name="csrf" value="${csrf}"><button>go</button></form>`;
    await other.route(`${neighbour}/**`, (route) => route.fulfill({ contentType: 'text/html', body }));
    await other.goto(`${neighbour}/`);
    const [answer] = await Promise.all([other.waitForResponse(address('/logout')), other.locator('button').click()]);
    // Without the cookie it is nobody who asks.
    assert.equal(answer.status(), neighbour.includes('127.0.0.1') ? 403 : 303);
    await page.goto(address('/account', 'en'));
    assert.equal(path(page), '/account', 'still logged in');
    await context.close();
  });
}
