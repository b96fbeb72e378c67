// A firm applies and the publisher decides, on pages: both sides in their own browser, with a look at each page on the way.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  DESKTOP, LANGUAGES, PHONE, address, api, codeOf, enter, form, launch, looker, newFirm, newPerson, newStaff, noSidewaysScroll, pathOf, press,
} from './common.mjs';

const SLUG = 'community-health-visits';

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

for (const language of LANGUAGES) {
  for (const [size, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
    test(`${language}, ${size}: from the application to the grant`, async () => {
      const colorScheme = size === 'phone' ? 'dark' : 'light';
      const [ours, theirs] = [await browser.newContext({ viewport, colorScheme }), await browser.newContext({ viewport, colorScheme })];
      const [firm, reviewer] = [await newFirm(), await newStaff(['reviewer'])];
      const look = looker(language, size);

      const page = await enter(ours, '/firm', language, { ...firm, code: firm.recovery[0] });
      await look(page, 'firm-empty');
      await page.goto(address(`/datasets/${SLUG}`, language));
      await page.locator(`a.button[href^="/datasets/${SLUG}/apply"]`).click();
      await look(page, 'apply');

      // A draft with a purpose that the offer does not have.
      await page.locator('input[value=pre_training]').check();
      await page.locator('textarea[name=purpose]').fill('用于评测社区就诊量预测模型，不训练可对外提供的模型。\nTo evaluate a forecast of visits.');
      for (const field of ['resident_id', 'sex', 'birth_date', 'subdistrict_code', 'visit_date', 'diagnosis_group', 'cost_cny']) {
        await page.locator(`input[name=fields][value=${field}]`).check();
      }
      for (const mode of ['download', 'api']) await page.locator(`input[name=modes][value=${mode}]`).check();
      await page.locator('input[name=term_days]').fill('9999');
      await page.locator('textarea[name=safeguards]').fill('磁盘加密，仅两名指定人员可访问，留存访问日志。');
      for (const box of await page.locator('input[name=safeguards_met]').all()) await box.check();
      await press(page, '/apply');
      assert.equal(await page.locator('.wrong').count(), 1, 'the term is too long');
      assert.equal(await page.locator('input[name=term_days]').inputValue(), '9999');
      await look(page, 'apply-wrong');
      await page.locator('input[name=term_days]').fill('90');
      await press(page, '/apply');
      assert.match(pathOf(page), /^\/firm\/applications\/[0-9a-f-]+$/);
      const application = pathOf(page);
      assert.equal(await page.locator('.sheet .conflicts').count(), 1);
      await look(page, 'firm-draft');
      await page.locator('a[href*="/edit?"]').click();
      assert.ok((await page.locator('.meets').count()) >= 4);
      await look(page, 'apply-edit');
      await page.locator('input[value=pre_training]').uncheck();
      await page.locator('input[value=evaluation]').check();
      await press(page, '/edit');
      assert.equal(await page.locator('.sheet .conflicts').count(), 0);
      await press(page, '/steps/submission');
      assert.equal(await page.locator('.done').count(), 1);
      await look(page, 'firm-submitted');

      // The reviewer asks; the firm answers.
      const console = await enter(theirs, '/console', language, reviewer);
      await look(console, 'console');
      const review = application.replace('/firm/', '/console/');
      await console.goto(address(review, language));
      await look(console, 'console-submitted');
      await form(console, '/steps/questions').locator('textarea').fill('请说明模型的使用范围。\nWho uses the model?');
      await press(console, '/steps/questions');
      await page.goto(address('/firm', language));
      assert.equal(await page.locator('.card.todo').count(), 1);
      await look(page, 'firm-todo');
      await page.locator('.card.todo a').click();
      await look(page, 'firm-asked');
      await page.locator('textarea[name=answer]').fill('仅限本公司内部。Nobody but us.');
      await press(page, '/steps/answer');

      // The report, and the decision.
      await console.goto(address(review, language));
      await press(console, '/steps/acceptance');
      await press(console, '/reports');
      assert.equal(await console.locator('.report').count(), 1);
      await look(console, 'console-report');
      await console.locator('details summary').first().click();
      for (const summary of await console.locator('.decide summary, .danger summary').all()) await summary.click();
      await look(console, 'console-decide');
      await form(console, '/steps/approval').locator('textarea[name=reason]').fill('用途明确，措施到位。Purpose and safeguards are sound.');
      await form(console, '/steps/approval').locator('input[name=term_days]').fill('60');
      await press(console, '/steps/approval');
      assert.equal(await console.locator('.type.approved').count(), 1);
      await look(console, 'console-approved');

      // The agreement is read, and confirmed with a code.
      await page.goto(address(application, language));
      await look(page, 'firm-agreement');
      await page.locator('input[name=code]').fill('000000');
      await press(page, '/confirmation');
      assert.equal(await page.locator('.wrong').count(), 1);
      await page.locator('input[name=code]').fill(codeOf(firm.secret));
      await press(page, '/confirmation');
      assert.match(pathOf(page), /^\/firm\/grants\/[0-9a-f-]+$/);
      const grant = pathOf(page);
      assert.equal(await page.locator('.type.in_force').count(), 1);
      await page.locator('details summary').first().click();
      await look(page, 'firm-grant');
      await page.locator('textarea[name=used_for]').fill('完成了模型评测。We evaluated the model.');
      await press(page, '/use-reports');
      assert.equal(await page.locator('.reports li').count(), 1);
      await page.goto(address('/firm', language));
      assert.equal(await page.locator(`a[href^="${grant}"]`).count(), 1);
      await look(page, 'firm');
      await page.goto(address(application, language));
      await look(page, 'firm-signed');

      // The publisher sees it, and asks itself once more before it ends.
      await console.goto(address('/console/grants', language));
      await look(console, 'console-grants');
      await console.goto(address(grant.replace('/firm/', '/console/'), language));
      await look(console, 'console-grant');
      await console.locator('.danger summary').click();
      await form(console, '/steps/revocation').locator('textarea').fill('违反协议。The agreement was broken.');
      await press(console, '/steps/revocation');
      await look(console, 'console-revocation');
      await press(console, '/steps/revocation');
      assert.equal(await console.locator('.type.revoked').count(), 1);
      await page.goto(address(grant, language));
      assert.equal(await page.locator('.fault').count(), 1);
      await look(page, 'firm-revoked');

      const sanction = { kind: 'warning', reason: '利用情况报告逾期。A report came late.' };
      const made = await api('POST', `/api/v1/admin/firms/${firm.id}/sanctions`, firm.operator, sanction);
      await page.goto(address(`/firm/notices/${made.id}`, language));
      await look(page, 'firm-notice');
      await console.goto(address('/firm', language));
      await look(console, 'forbidden');
      await Promise.all([ours.close(), theirs.close()]);
    });
  }
}

for (const [language, size, viewport] of [['zh', 'phone', PHONE], ['en', 'desktop', DESKTOP]]) {
  test(`${language}, ${size}: a reviewer gives the sandbox for rows`, async () => {
    const [ours, theirs] = [await browser.newContext({ viewport }), await browser.newContext({ viewport })];
    const [firm, reviewer] = [await newFirm(), await newStaff(['reviewer'])];
    const look = looker(language, size);
    const { token } = await api('POST', '/api/v1/sessions', null, { username: firm.username, password: firm.password, code: firm.recovery[1] });
    const safeguards_met = ['encryption_at_rest', 'encryption_in_transit', 'access_log', 'least_privilege', 'isolated_environment', 'named_officer'];
    const { id } = await api('POST', '/api/v1/applications', token, {
      dataset: SLUG, purpose: 'To count visits by month and sex.', purposes: ['analytics'], modes: ['api'], term_days: 30,
      fields: ['resident_id', 'sex', 'birth_date', 'diagnosis_group', 'cost_cny'], safeguards: 'Two people reach it.', safeguards_met,
    });

    const console = await enter(theirs, `/console/applications/${id}`, language, reviewer);
    await press(console, '/reports');
    await console.locator('.decide summary').click();
    const approval = form(console, '/steps/approval');
    assert.ok(await approval.locator('input[value=api]').isChecked());
    assert.ok(!(await approval.locator('input[value=sandbox]').isChecked()));
    await look(console, 'console-sandbox');
    await approval.locator('input[value=api]').uncheck();
    await approval.locator('input[value=sandbox]').check();
    await approval.locator('textarea[name=reason]').fill('汇总结果已足够。Groups are enough for this.');
    await press(console, '/steps/approval');
    assert.equal(await console.locator('.type.approved').count(), 1);

    const page = await enter(ours, `/firm/applications/${id}`, language, { ...firm, code: firm.recovery[0] });
    await page.locator('input[name=code]').fill(codeOf(firm.secret));
    await press(page, '/confirmation');
    const commands = await page.locator('pre').allInnerTexts();
    assert.ok(commands.some((text) => text.includes('/api/v1/sql')), commands.join('\n'));
    assert.ok(!commands.some((text) => text.includes('/rows')), commands.join('\n'));
    await look(page, 'firm-sandbox');
    await Promise.all([ours.close(), theirs.close()]);
  });
}

test('pages fit a view of 320 px, and do their work without script', async () => {
  const context = await browser.newContext({ viewport: { width: 320, height: 640 }, javaScriptEnabled: false });
  const firm = await newFirm();
  const page = await enter(context, `/datasets/${SLUG}/apply`, 'en', { ...firm, code: firm.recovery[0] });
  await page.locator('input[value=evaluation]').check();
  await press(page, '/apply');
  const application = pathOf(page);
  await press(page, '/steps/submission');
  assert.equal(await page.locator('.fault').count(), 1, 'something is missing');
  await page.locator('details summary').click();
  await form(page, '/steps/withdrawal').locator('textarea').fill('not needed any more');
  await press(page, '/steps/withdrawal');
  assert.equal(await page.locator('.type.withdrawn').count(), 1);
  const narrow = await browser.newContext({ viewport: { width: 320, height: 640 }, storageState: await context.storageState() });
  const again = await narrow.newPage();
  for (const where of ['/firm', application, `/datasets/${SLUG}/apply`]) {
    await again.goto(address(where, 'en'));
    await noSidewaysScroll(again, where);
  }
  await Promise.all([context.close(), narrow.close()]);
});

test('a person with a one-time password changes it first', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const person = await newPerson();
  await page.goto(address('/console', 'en'));
  await page.locator('input[name=username]').fill(person.username);
  await page.locator('input[name=password]').fill(person.password);
  await page.locator('main button[type=submit]').click();
  assert.equal(pathOf(page), '/account');
  await page.goto(address('/console', 'en'));
  assert.equal(pathOf(page), '/account');
  await context.close();
});
