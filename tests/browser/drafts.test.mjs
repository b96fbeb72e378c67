// A steward drafts a change of the list and a reviewer approves it, on pages: both in their own browser, with a look at each page on the way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, LANGUAGES, PHONE, address, enter, form, launch, looker, newStaff, pathOf, press } from './common.mjs';

const SLUG = 'working-calendar';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`${language}, ${size}: from the draft to the list`, async () => {
      const colorScheme = size === 'phone' ? 'dark' : 'light';
      const [ours, theirs] = [await browser.newContext({ viewport, colorScheme }), await browser.newContext({ viewport, colorScheme })];
      const listed = await (await fetch(address(`/api/v1/datasets/${SLUG}`))).json();
      const [steward, reviewer] = [await newStaff(['steward'], listed.publisher), await newStaff(['reviewer'])];
      const look = looker(language, size);

      const page = await enter(ours, '/console/drafts', language, steward);
      await look(page, 'drafts');
      await page.locator('input[name=title]').fill('工作日历：补充英文说明');
      await press(page, '/console/drafts?');
      const draft = pathOf(page);
      assert.match(draft, /^\/console\/drafts\/[0-9a-f-]+$/);
      await page.locator('input[name=slug]').fill(SLUG);
      await press(page, `${draft}/entries?`);
      assert.equal(pathOf(page), `${draft}/entries/${SLUG}`);
      await look(page, 'draft-entry');

      // A value that cannot be read stands there still, with what is wrong beside it.
      const word = `working days of ${language} ${size}`;
      await page.locator('[name="d.keywords.en"]').fill(`calendar\n${word}`);
      await page.locator('[name="d.max_reject_share"]').fill('half');
      await press(page, `/entries/${SLUG}?`);
      assert.equal(await page.locator('.wrong').count(), 1);
      assert.equal(await page.locator('[name="d.max_reject_share"]').inputValue(), 'half');
      await look(page, 'draft-entry-wrong');
      await page.locator('[name="d.max_reject_share"]').fill('');
      await press(page, `/entries/${SLUG}?`);
      assert.equal(await page.locator('.done').count(), 1);
      await page.goto(address(draft, language));
      assert.match(await page.locator('ins').first().textContent(), new RegExp(word));
      for (const summary of await page.locator('summary').all()) await summary.click();
      await look(page, 'draft');
      await press(page, '/steps/submission');

      // Who had no hand in it approves it.
      const review = await enter(theirs, draft, language, reviewer);
      await look(review, 'draft-review');
      await review.goto(address(`${draft}/entries/${SLUG}`, language));
      assert.equal(await review.locator('form.curate').count(), 0, 'it is not edited while it waits');
      await look(review, 'draft-entry-read');
      await review.goto(address(draft, language));
      await press(review, '/steps/approval');
      assert.equal(await review.locator('.done').count(), 1);
      await look(review, 'draft-published');
      assert.equal(await form(review, '/steps/approval').count(), 0);
      const found = await (await fetch(address(`/api/v1/datasets?tag=${encodeURIComponent(word)}`))).json();
      assert.deepEqual(found.items.map(({ slug }) => slug), [SLUG]);
      await Promise.all([ours.close(), theirs.close()]);
    });
  }
}
