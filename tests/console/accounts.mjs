// Accounts in the page: the first by its code, another one with a role, what that role sees, a wall, a password, a log-out.

import { api, check, done, open, press, shoot, until } from './browser.mjs';

const PASSWORD = 'a long password';

async function logInAs(page, name, password) {
  await page.goto(page.base + '/');
  await page.fill('[data-name]', name);
  await page.fill('[data-password]', password);
  await page.click('[data-login]');
}

export async function accounts(chrome) {
  const chief = await open(chrome, { name: '', allow: [/401/, /403/, /422/] });
  await chief.goto(chief.base + '/');
  await chief.fill('[data-code]', process.env.GRIDPOST_CODE);
  await chief.fill('[data-name]', '王所长');
  await chief.fill('[data-password]', 'short');
  await chief.fill('[data-again]', 'short');
  await chief.click('[data-login]');
  check('a short password is told before it is sent', (await chief.textContent('[role=alert]:not(:empty)')).includes('10'));
  await chief.fill('[data-password]', PASSWORD);
  await chief.fill('[data-again]', PASSWORD);
  await shoot(chief, 'first-account');
  await chief.click('[data-login]');
  await chief.waitForSelector('[data-link=live]');
  const head = await chief.textContent('[data-me]');
  check('who I am and my roles are in the head', head.includes('王所长') && head.includes('指挥') && head.includes('安装人员'));

  await chief.click('a[href="#/accounts"]');
  await chief.waitForSelector('[data-account="王所长"]');
  await chief.fill('[data-new-name]', '审计员');
  await chief.fill('[data-new-password]', PASSWORD);
  await chief.click('[data-add] [data-role=officer]');
  await chief.click('[data-add] [data-role=auditor]');
  await chief.click('[data-new-go]');
  await chief.waitForSelector('[data-account="审计员"]');
  await shoot(chief, 'accounts');
  await chief.click('[data-account="王所长"] [data-disable]');
  await chief.waitForSelector('.notice.bad');

  // A token is shown once: not in the list, and not after a reload.
  await chief.fill('[data-token-name]', '网格平台');
  await chief.click('[data-scope=metrics]');
  check('who may not reply speaks for nobody', (await chief.$('[data-token-names]')) === null);
  await chief.click('[data-scope=reply]');
  await chief.fill('[data-token-names]', '王警官，城管*');
  await chief.selectOption('[data-token-days]', '30');
  await chief.click('[data-token-go]');
  const secret = await chief.inputValue('[data-token-text]');
  check('it is a token', /^gridpost_[0-9a-f]{64}$/.test(secret));
  const asked = (path) => fetch(chief.base + path, { headers: { authorization: `Bearer ${secret}` } }).then((answer) => answer.status);
  check('it opens what was ticked, and nothing else', (await asked('/api/v1/incidents')) === 200 && (await asked('/api/v1/accounts')) === 403);
  await shoot(chief, 'tokens');
  await chief.click('[data-once-close]');
  await chief.waitForSelector('[data-token-row="网格平台"] [data-speaks-for]:has-text("王警官、城管*")');
  await chief.reload();
  await chief.waitForSelector('[data-token-row="网格平台"] [data-speaks-for]:has-text("王警官、城管*")');
  check('it is shown no more', !(await chief.content()).includes(secret));
  await chief.click('[data-token-row="网格平台"] [data-revoke]');
  check('one tap is not enough', (await asked('/api/v1/incidents')) === 200);
  await chief.click('[data-token-row="网格平台"] [data-revoke]');
  await chief.waitForSelector('[data-token-row="网格平台"]', { state: 'detached' });
  check('it opens nothing more', (await asked('/api/v1/incidents')) === 401);

  const auditor = await open(chrome, { name: '', allow: [/401/, /403/] });
  await logInAs(auditor, '审计员', 'wrong password');
  await auditor.waitForSelector('[role=alert]:has-text("姓名或密码不对")');
  await auditor.waitForTimeout(1100); // The first wrong one waits a second.
  await auditor.fill('[data-password]', PASSWORD);
  await auditor.click('[data-login]');
  await auditor.waitForSelector('[data-link=live]');
  check('what he may not do is not shown', (await auditor.$('a[href="#/accounts"]')) === null);
  await press('btn-1');
  await auditor.waitForSelector('[data-rows] [data-incident]');
  await auditor.waitForSelector('[data-urgent]');
  check('he takes no step', (await auditor.$$('[data-step], [data-accept]')).length === 0);
  // What is open lies over the head of the page.
  const [{ incident }] = (await api('GET', '/api/v1/incidents')).incidents;
  await api('POST', '/api/v1/replies', { incident, to: 'accepted', by: '李警官' });
  for (const page of [chief, auditor]) await page.waitForSelector('[data-urgent]', { state: 'detached' });
  await auditor.click('[data-me]');
  await auditor.fill('[data-own=old]', PASSWORD);
  await auditor.fill('[data-own=new]', 'another password');
  await auditor.fill('[data-own=again]', 'another password');
  await auditor.click('[data-own-change]');
  await auditor.waitForSelector('[data-own]', { state: 'detached' });
  await auditor.reload();
  await auditor.waitForSelector('[data-link=live]');

  const wall = await open(chrome, { name: '', allow: [/401/] });
  await wall.goto(wall.base + '/#/wall');
  const code = await until('the wall has a code', async () => /[A-Z2-9]{4}-[A-Z2-9]{4}/.exec(await wall.textContent('[data-wall-code]'))?.[0]);
  await shoot(wall, 'wall-code');
  await chief.click('a[href="#/accounts"]');
  await chief.fill('[data-wall-typed]', code);
  await chief.fill('[data-wall-name]', '大厅');
  await chief.click('[data-wall-go]');
  await wall.waitForSelector('[data-link=live]');

  await chief.click('[data-account="审计员"] [data-disable]');
  await auditor.waitForSelector('[data-login]');
  await Promise.all([done(chief), done(auditor), done(wall)]);
}
