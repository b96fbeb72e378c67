// No serious or critical finding of axe on the portal's pages; and the keyboard reaches what a mouse reaches.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DATASETS, DESKTOP, LANGUAGES, PHONE, PORTAL, address, axeSource, launch, open } from './common.mjs';

const axe = axeSource();

// The pages of the unconditional datasets are alike: two of them stand for all.
const ALIKE = DATASETS.filter(({ openType }) => openType === 'unconditional').slice(2).map(({ slug }) => `dataset-${slug}`);
const PAGES = PORTAL.filter(([name]) => !ALIKE.includes(name));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const language of LANGUAGES) {
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
      test(`${language}, ${colorScheme}, ${size}: axe finds nothing serious`, async () => {
        const context = await browser.newContext({ viewport, colorScheme });
        for (const [name, where] of PAGES) {
          const { page, check } = await open(context, address(where, language));
          await page.evaluate(axe);
          const { violations, passes } = await page.evaluate(() => window.axe.run(document));
          const ran = passes.map(({ id }) => id);
          for (const rule of ['color-contrast', 'html-has-lang', 'link-name']) assert.ok(ran.includes(rule), `${name}: ${rule} ran`);
          const serious = violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
          assert.deepEqual(serious, [], `${name} ${language} ${colorScheme} ${size}`);
          check();
          await page.close();
        }
        await context.close();
      });
    }
  }
}

test('the first key press reaches the link to the content, which leads there', async () => {
  const context = await browser.newContext({ viewport: DESKTOP });
  const { page } = await open(context, address('/', 'zh'));
  await page.keyboard.press('Tab');
  const skip = page.locator('a.skip');
  assert.ok(await skip.evaluate((link) => link === document.activeElement));
  const box = await skip.boundingBox();
  assert.ok(box.x >= 0 && box.y >= 0, 'the link is in view');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('name')), 'q');
  await context.close();
});
