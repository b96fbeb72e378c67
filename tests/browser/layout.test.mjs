// How the pages look and what they ask for: no sideways scrolling, no outside request, no error. Writes screenshots.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { DESKTOP, LANGUAGES, PHONE, PORTAL, address, launch, noSidewaysScroll, open, shot } from './common.mjs';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function inContext(options, work) {
  const context = await browser.newContext(options);
  try {
    await work(context);
  } finally {
    await context.close();
  }
}

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${language}, ${size}, ${colorScheme}: pages fit, ask only the service and report no error`, async () => {
        await inContext({ viewport, colorScheme }, async (context) => {
          for (const [name, where] of PORTAL) {
            const { page, response, check } = await open(context, address(where, language));
            await page.screenshot({ path: shot(`${name}-${language}-${size}-${colorScheme}`), fullPage: true });
            await noSidewaysScroll(page, `${name} ${language}`);
            const policy = response.headers()['content-security-policy'];
            assert.match(policy, /default-src 'none'/, name);
            assert.doesNotMatch(policy, /unsafe|script-src|\*|https?:/, name);
            // Nothing runs: what stands in a page is data.
            assert.equal(await page.locator('script:not([type="application/ld+json"])').count(), 0, name);
            check();
            await page.close();
          }
        });
      });
    }
  }

  test(`${language}: pages fit a view of 320 px, and text of twice the size`, async () => {
    await inContext({ viewport: { width: 320, height: 640 } }, async (context) => {
      for (const [name, where] of PORTAL) {
        const { page, check } = await open(context, address(where, language));
        await noSidewaysScroll(page, `${name} ${language} at 320 px`);
        await page.setViewportSize(PHONE);
        await page.locator('html').evaluate((html) => (html.style.fontSize = '200%'));
        await noSidewaysScroll(page, `${name} ${language} with large text`);
        check();
        await page.close();
      }
    });
  });
}

test('dark mode is dark, and light mode is light', async () => {
  for (const [colorScheme, dark] of [['light', false], ['dark', true]]) {
    await inContext({ colorScheme }, async (context) => {
      const { page } = await open(context, address('/', 'zh'));
      const brightness = (selector, property) =>
        page.locator(selector).first().evaluate((element, name) => {
          const [red, green, blue] = getComputedStyle(element)[name].match(/[\d.]+/g).map(Number);
          return (red + green + blue) / 3;
        }, property);
      assert.equal((await brightness('body', 'backgroundColor')) < 60, dark);
      assert.equal((await brightness('.card', 'backgroundColor')) < 60, dark);
      assert.equal((await brightness('select', 'backgroundColor')) < 60, dark);
      assert.equal((await brightness('body', 'color')) > 190, dark);
    });
  }
});

test('Chinese text has a font with its characters', async () => {
  await inContext({}, async (context) => {
    const { page } = await open(context, address('/', 'zh'));
    // A missing character is drawn as the same box for all; these two differ in a font that has them.
    const same = await page.evaluate(() => {
      const drawn = ['徐', '一'].map((text) => {
        const canvas = document.createElement('canvas');
        const pen = canvas.getContext('2d');
        pen.font = getComputedStyle(document.body).font;
        pen.fillText(text, 10, 30);
        return canvas.toDataURL();
      });
      return drawn[0] === drawn[1];
    });
    assert.equal(same, false);
  });
});
