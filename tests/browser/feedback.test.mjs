// Somebody without an account says something of the list, and a reviewer deals with it: on pages, with a look at each on the way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, LANGUAGES, PHONE, address, enter, form, launch, looker, newStaff, noSidewaysScroll, pathOf, press, shot } from './common.mjs';

const SLUG = 'xuhui-subdistricts';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function dataset(page, language, name) {
  await page.goto(address(`/datasets/${SLUG}`, language));
  await page.screenshot({ path: shot(name), fullPage: true });
  await noSidewaysScroll(page, name);
  return page.locator('.note.objected').count();
}

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    const word = `${language} ${size}`;

    test(`${word}: from the objection to its answer`, async () => {
      const colorScheme = size === 'phone' ? 'dark' : 'light';
      const [ours, theirs] = [await browser.newContext({ viewport, colorScheme }), await browser.newContext({ viewport, colorScheme })];
      const look = looker(language, size);
      const page = await ours.newPage();
      assert.equal(await dataset(page, language, `feedback-before-${language}-${size}`), 0);
      await page.locator('main a[href*="/feedback"]').first().click();
      assert.equal(pathOf(page), `/datasets/${SLUG}/feedback`);
      await look(page, 'feedback');

      // What names somebody is refused, and stands there still.
      const correction = form(page, '/feedback/correction');
      await correction.locator('textarea').fill('Row 3 is wrong; ask someone@example.org');
      await press(page, '/feedback/correction');
      assert.equal(await page.locator('.wrong').count(), 1);
      assert.match(await form(page, '/feedback/correction').locator('textarea').inputValue(), /^Row 3/);
      await look(page, 'feedback-wrong');
      await form(page, '/feedback/correction').locator('textarea').fill(`Row 3 has the wrong code (${word}).`);
      await press(page, '/feedback/correction');
      const receipt = await page.locator('#receipt').textContent();
      assert.match(receipt, /^qdf_/);
      await look(page, 'feedback-filed');
      assert.equal(await dataset(page, language, `feedback-marked-${language}-${size}`), 1);
      await page.goto(address('/', language));
      const marked = page.locator('.card', { has: page.locator(`h2 a[href*="${SLUG}"]`) }).locator('a.type.objected');
      await look(page, 'home-marked');
      await marked.click();
      assert.equal(pathOf(page), `/datasets/${SLUG}`);

      // A reviewer asks, and the receipt answers.
      const reviewer = await newStaff(['reviewer']);
      const desk = await enter(theirs, '/console/feedback', language, reviewer);
      await look(desk, 'console-feedback');
      await desk.locator('.card', { hasText: word }).locator('h2 a').click();
      const here = pathOf(desk);
      for (const summary of await desk.locator('summary').all()) await summary.click();
      await look(desk, 'console-feedback-case');
      await press(desk, '/steps/showing');
      await form(desk, '/steps/question').locator('textarea').fill('Which column?');
      await press(desk, '/steps/question');
      assert.equal(await desk.locator('.done').count(), 1);
      await page.goto(address('/receipt', language));
      await look(page, 'receipt');
      await page.locator('main input[name=receipt]').fill(receipt);
      await press(page, '/receipt');
      await look(page, 'receipt-asked');
      await page.locator('textarea').fill('The second one.');
      await press(page, '/receipt/reply');
      assert.equal(await page.locator('.done').count(), 1);
      await look(page, 'receipt-replied');

      // Answered: the mark goes, the answer stays.
      await desk.goto(address(here, language));
      await form(desk, '/steps/answer').locator('select').selectOption('done');
      await form(desk, '/steps/answer').locator('textarea').fill('It is corrected.');
      await press(desk, '/steps/answer');
      assert.equal(await desk.locator('.done').count(), 1);
      await look(desk, 'console-feedback-done');
      assert.equal(await dataset(page, language, `feedback-answered-${language}-${size}`), 0);
      assert.match(await page.locator('main').textContent(), new RegExp(`Row 3 has the wrong code \\(${word}\\)`));
      await Promise.all([ours.close(), theirs.close()]);
    });

    test(`${word}: requests, votes, reuses and claims`, async () => {
      const [ours, theirs] = [await browser.newContext({ viewport }), await browser.newContext({ viewport })];
      const look = looker(language, size);
      const page = await ours.newPage();
      await page.goto(address('/requests', language));
      const asked = form(page, '/requests?');
      await asked.locator('input[name=title]').fill(`Bus stops ${word}`);
      await asked.locator('textarea').fill(`A route planner for wheelchairs (${word}).`);
      await asked.locator('button').click();
      await page.goto(address('/reuses', language));
      const made = form(page, '/reuses?');
      await made.locator('input[name=title]').fill(`A map ${word}`);
      await made.locator('select').selectOption('visualisation');
      await made.locator('input[name=maker]').fill('Example Lab');
      await made.locator('input[name=link]').fill('https://example.org/map');
      await made.locator('input[name=datasets]').fill(`${SLUG}，shanghai-districts`);
      await made.locator('textarea').fill(`All subdistricts on one map (${word}).`);
      await made.locator('button').click();
      assert.match(await page.locator('#receipt').textContent(), /^qdf_/);
      await page.goto(address(`/datasets/${SLUG}/feedback`, language));
      const claim = form(page, '/feedback/claim');
      await claim.locator('select').selectOption('trade_secret');
      await claim.locator('textarea').fill(`It repeats our list (${word}).`);
      await claim.locator('button').click();
      const receipt = await page.locator('#receipt').textContent();

      const reviewer = await newStaff(['reviewer']);
      const desk = await enter(theirs, '/console/feedback', language, reviewer);
      for (const title of [`Bus stops ${word}`, `A map ${word}`]) {
        await desk.goto(address('/console/feedback', language));
        await desk.locator('.card', { hasText: title }).locator('h2 a').click();
        await press(desk, '/steps/showing');
        assert.equal(await desk.locator('.done').count(), 1);
      }
      await desk.goto(address('/console/feedback?kind=rights_claim', language));
      await desk.locator('.card', { hasText: word }).locator('h2 a').click();
      for (const summary of await desk.locator('summary').all()) await summary.click();
      await look(desk, 'console-feedback-claim');

      await page.goto(address('/requests?sort=newest', language));
      const item = page.locator('.card', { hasText: `Bus stops ${word}` });
      await item.locator('form[action*="/vote"] button').click();
      assert.equal(await page.locator('.done').count(), 1);
      assert.match(await page.locator('.card', { hasText: `Bus stops ${word}` }).locator('.votes').textContent(), /1/);
      await look(page, 'requests');
      await page.goto(address('/reuses', language));
      assert.equal(await page.locator('.card', { hasText: `A map ${word}` }).count(), 1);
      await look(page, 'reuses');

      // Whoever has the receipt takes the claim back.
      await page.goto(address('/receipt', language));
      await page.locator('main input[name=receipt]').fill(receipt);
      await press(page, '/receipt');
      await page.locator('summary').click();
      await press(page, '/receipt/withdrawal');
      assert.equal(await form(page, '/receipt/withdrawal').count(), 0);
      await Promise.all([ours.close(), theirs.close()]);
    });
  }
}
