// node flows.mjs NAME: one flow of an officer in a real browser, against the gateway that the environment names. It ends
// with 0 when all of it was so, else it says what was not.

import { api, browser, check, done, logIn, open, press, publish, shoot, token, until } from './browser.mjs';

const rows = (page) => page.$$eval('[data-rows] [data-incident]', (all) => all.map((row) => [row.dataset.incident, Number(row.dataset.revision), row.dataset.stage]));
const tones = (page) => page.evaluate(() => Number(document.documentElement.dataset.tones));
const rings = (page) => page.evaluate(() => document.documentElement.dataset.ringing === 'true');
const kind = (wanted) => api('GET', `/api/v1/incidents?kind=${wanted}`).then((told) => told.incidents);
const low = (device, battery = 5) => publish(`gridpost/demo/button/${device}`, { device, event: 'heartbeat', battery });

/** The list as the gateway has it. */
async function overview() {
  const told = await api('GET', '/api/v1/console');
  return told.open.map((one) => [one.incident, one.revision, one.stage]).sort();
}

async function same(page, ms = 30_000) {
  await until('the page equals the overview', async () => JSON.stringify((await rows(page)).sort()) === JSON.stringify(await overview()), ms);
}

/** An emergency takes both screens and rings; one tap accepts it; the other falls silent and says who. */
export async function accept(chrome) {
  const [one, two] = [await open(chrome), await open(chrome, { name: '孙辅警' })];
  for (const page of [one, two]) {
    await logIn(page);
    check('the sound is on after the log-in click', await page.waitForSelector('[data-sound=on]'));
  }
  await press('btn-1');
  for (const page of [one, two]) {
    await page.waitForSelector('[data-urgent]');
    check('it rings', (await rings(page)) && (await tones(page)) > 0);
  }
  // An Enter or a tap that was under way accepts nothing.
  await one.keyboard.press('Enter');
  await until('the window has settled', async () => (await one.evaluate(() => performance.now())) > 0);
  await one.waitForTimeout(700); // For as long as a tap does not count.
  check('nothing is accepted yet', (await kind('emergency-button'))[0].stage === 'opened');
  const before = await tones(two);
  await until('it rings again by itself', async () => (await tones(two)) > before, 15_000);
  await one.click('[data-accept]');
  for (const page of [one, two]) {
    await page.waitForSelector('[data-urgent]', { state: 'detached' });
    await page.waitForSelector('.notice:has-text("王警官")');
    check('it is silent', !(await rings(page)));
  }
  const silent = await tones(two);
  await two.waitForTimeout(11_000); // It rings each ten seconds, if it does.
  check('it stays silent', (await tones(two)) === silent);
  const [incident] = await kind('emergency-button');
  check('accepted once, by name', incident.accepted_by === '王警官' && incident.steps.length === 1);
  await Promise.all([done(one), done(two)]);
}

/** A second officer, whose screen has not heard yet, is told who was first. */
export async function second(chrome) {
  const page = await open(chrome, { allow: [/409/] });
  let deaf = false;
  await page.routeWebSocket(/\/api\/v1\/changes/, (socket) => {
    socket.connectToServer().onMessage((message) => deaf || socket.send(message));
  });
  await logIn(page);
  await press('btn-1');
  await page.waitForSelector('[data-urgent]');
  deaf = true;
  const [incident] = await kind('emergency-button');
  await api('POST', '/api/v1/replies', { incident: incident.incident, to: 'accepted', by: '李警官', id: 'first' });
  await page.waitForTimeout(700); // For as long as a tap does not count.
  const sent = page.waitForRequest(/\/api\/v1\/replies/).then((request) => request.postDataJSON());
  await page.click('[data-accept]');
  const reply = await sent;
  check('the tap is bound to what was shown', reply.revision === 1 && reply.id.length > 20 && reply.by === '王警官');
  await page.waitForSelector('.notice:has-text("李警官")');
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  const [after] = await kind('emergency-button');
  check('one step', after.steps.length === 1 && after.accepted_by === '李警官');
  await done(page);
}

/** Pressed again when somebody has it: every screen rings, also after a reload, until it is noted there or somebody goes on with it. */
export async function again(chrome) {
  const [one, two] = [await open(chrome), await open(chrome, { name: '孙辅警' })];
  for (const page of [one, two]) await logIn(page);
  await press('btn-1');
  await one.click('[data-accept=first]');
  for (const page of [one, two]) await page.waitForSelector('[data-urgent]', { state: 'detached' });
  await press('btn-1');
  for (const page of [one, two]) {
    await page.waitForSelector('[data-accept=again]');
    check('it rings again', await rings(page));
    check('how often stands there', (await page.textContent('[data-urgent]')).includes('已按 2 次') && (await page.textContent('[data-rows]')).includes('已按 2 次'));
  }
  const [{ incident, stage, detail }] = await kind('emergency-button');
  check('its stage is as it was', stage === 'accepted' && detail.presses === 2 && detail.presses_known === 1);
  await shoot(one, 'pressed-again');
  await two.reload();
  await two.waitForSelector('[data-accept=again]');
  check('that nobody hears it is said over it', (await two.waitForSelector('[data-urgent] [data-mute]')) !== null);
  await shoot(two, 'pressed-again-muted');
  await one.click('[data-accept=again]');
  await one.waitForSelector('[data-urgent]', { state: 'detached' });
  await one.reload();
  await one.waitForSelector('[data-link=live]');
  check('noted at one screen is noted there alone', !(await rings(one)) && (await rings(two)));
  await api('POST', '/api/v1/replies', { incident, to: 'dispatched', by: '李警官', id: 'on' });
  await two.waitForSelector('[data-urgent]', { state: 'detached' });
  await two.waitForSelector('.notice:has-text("李警官")');
  await press('btn-1');
  for (const page of [one, two]) await page.waitForSelector('[data-accept=again]');
  await Promise.all([done(one), done(two)]);
}

/** The answer to a step comes when the case is over already: it revives nothing. */
export async function late(chrome) {
  const page = await open(chrome);
  let letGo;
  const held = new Promise((go) => (letGo = go));
  await page.route(/\/api\/v1\/replies/, async (route) => {
    const answer = await route.fetch();
    await held;
    await route.fulfill({ response: answer });
  });
  await logIn(page);
  await press('btn-1');
  await page.click('[data-accept]');
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  const [{ incident }] = await kind('emergency-button');
  await api('POST', '/api/v1/replies', { incident, to: 'dismissed', reason: 'test', by: '李警官', id: 'over' });
  await page.waitForSelector('.recent');
  const answered = page.waitForResponse(/\/api\/v1\/replies/);
  letGo();
  await answered;
  await page.waitForTimeout(300); // For as long as the page would need to show it.
  await same(page);
  check('it is over', (await rows(page)).length === 0 && !(await rings(page)));
  await done(page);
}

/** Dismissed with a reason of the list, by the mouse. */
export async function dismiss(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await low('btn-2');
  const row = await page.waitForSelector('[data-rows] [data-incident]');
  await row.click();
  await page.click('[data-case] [data-step=dismissed]');
  await page.click('[data-reason=false-alarm]');
  await page.waitForSelector('[data-case][data-stage=dismissed]');
  const [incident] = await kind('device-battery');
  check('the reason is in its step', incident.steps[0].reason === 'false-alarm' && incident.steps[0].by === '王警官');
  await until('it leaves the list', async () => (await rows(page)).every(([, , stage]) => stage !== 'opened'));
  await done(page);
}

/** Log-in, accept, dispatch, dismiss, help: no mouse. */
export async function keyboard(chrome) {
  const page = await open(chrome, { name: '' });
  await page.goto(page.base + '/');
  await page.waitForSelector('[data-token]');
  await page.keyboard.type(token);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-person]');
  await page.keyboard.press('Tab');
  for (let n = 0; n < 20 && !(await page.evaluate(() => document.activeElement?.dataset.person === '王警官')); n += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-link=live]');
  await press('btn-1');
  await page.waitForSelector('[data-urgent]');
  await page.waitForTimeout(700); // For as long as a key does not count.
  const repeat = (key) => page.evaluate((key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, repeat: true, bubbles: true })), key);
  await repeat('a');
  await page.waitForTimeout(300); // For as long as a step would need.
  check('a key that is held down accepts nothing', (await kind('emergency-button'))[0].stage === 'opened');
  await page.keyboard.press('a');
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.waitForSelector('[data-case][data-stage=accepted]');
  check('a key that was meant for the emergency does nothing to what lies beneath', (await page.$('[data-dialog]')) === null);
  await page.waitForTimeout(700); // For as long as a key does not count.
  await page.keyboard.press('d');
  await page.waitForSelector('[data-dialog]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-case][data-stage=dispatched]');
  await page.keyboard.press('?');
  await page.waitForSelector('[data-dialog] kbd');
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-dialog]', { state: 'detached' });
  await page.keyboard.press('x');
  await page.waitForSelector('[data-dialog]');
  await page.keyboard.press('3');
  await page.waitForSelector('[data-case][data-stage=dismissed]');
  const [incident] = await kind('emergency-button');
  check('three steps by keys', incident.steps.map((step) => step.step).join() === 'accepted,dispatched,dismissed' && incident.steps[2].reason === 'not-found');
  await done(page);
}

/** The connection is cut at each of fifty changes, before it or behind it: no gap and no double. */
export async function cuts(chrome) {
  const page = await open(chrome, { allow: [/WebSocket/, /net::ERR/] });
  let [heard, cut, doubles, reads] = [0, 0, 0, 0];
  page.on('request', (request) => (reads += request.url().endsWith('/api/v1/console') ? 1 : 0));
  const told = new Set();
  await page.routeWebSocket(/\/api\/v1\/changes/, (socket) => {
    const server = socket.connectToServer();
    let over = false;
    server.onMessage((message) => {
      if (over) return;
      const { type, position } = JSON.parse(message);
      if (type !== 'change') return socket.send(message);
      over = true;
      heard += 1;
      if (heard % 2 === 0) {
        if (told.has(position)) doubles += 1;
        told.add(position);
        socket.send(message);
      }
      cut += 1;
      socket.close();
      server.close();
    });
  });
  await logIn(page);
  const devices = Array.from({ length: 14 }, (_, n) => `cut-${n}`);
  for (const device of devices) await press(device);
  for (const to of ['accepted', 'dispatched', 'handled']) {
    for (const { incident } of await kind('emergency-button')) {
      await api('POST', '/api/v1/replies', { incident, to, by: '李警官', id: `${to}-${incident}` });
    }
  }
  // Each change takes two connections, and a wait before each.
  await same(page, 150_000);
  check(`only ${cut} cuts, ${reads} overviews`, cut >= 50);
  check(`${doubles} changes came twice`, doubles === 0);
  check(`${reads} overviews: it went on from where it was`, reads === 1);
  await done(page);
}

/** A silent connection and a dead one: the page says since when, greys what is old, rings no lie, and comes back whole. */
export async function lost(chrome) {
  const page = await open(chrome, { allow: [/WebSocket/, /net::ERR/, /Failed to load/] });
  let [deaf, dead] = [false, false];
  const sockets = new Set();
  await page.routeWebSocket(/\/api\/v1\/changes/, (socket) => {
    if (dead) return void socket.close();
    sockets.add(socket);
    socket.connectToServer().onMessage((message) => deaf || socket.send(message));
  });
  await logIn(page);
  await low('btn-2');
  await page.waitForSelector('[data-rows] [data-incident]');
  // The other end is there and says nothing: that is no life.
  deaf = true;
  await page.waitForSelector('[data-broken]');
  dead = true;
  check('it says since when', /\d\d:\d\d:\d\d/.test(await page.textContent('[data-broken]')));
  check('what is old is grey', (await page.$('.list.old')) !== null);
  await low('btn-3');
  await press('btn-1');
  check('nothing of it is shown as if it were live', (await page.$('[data-urgent]')) === null);
  deaf = false;
  dead = false;
  await page.waitForSelector('[data-urgent]');
  await page.waitForSelector('[data-broken]', { state: 'detached' });
  await same(page);
  // And the hard way: the other end goes without a word.
  dead = true;
  sockets.forEach((socket) => socket.close());
  await page.waitForSelector('[data-broken]');
  dead = false;
  await page.waitForSelector('[data-link=live]');
  await same(page);
  await done(page);
}

/** While the list is touched nothing moves: what is new waits and says how many. */
export async function touched(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await low('btn-2');
  const first = await page.waitForSelector('[data-rows] [data-incident]');
  const at = await first.boundingBox();
  let moves = 0;
  let going = true;
  const finger = (async () => {
    while (going) {
      await page.mouse.move(at.x + 60 + (moves++ % 5), at.y + 30);
      await page.waitForTimeout(100); // A finger that rests moves a little.
    }
  })();
  await until('it is touched', () => moves > 2);
  await low('btn-3');
  await low('btn-4');
  await page.waitForSelector('.new:has-text("2")');
  const now = await first.boundingBox();
  check('the row has not moved among the rows', (await rows(page)).length === 1 && now.y === at.y);
  await press('btn-1');
  await page.waitForSelector('[data-urgent]');
  await page.keyboard.press('Escape');
  await page.waitForSelector('[data-strip]');
  going = false;
  await finger;
  await until('what waited comes when it is let go', async () => (await rows(page)).length === 4);
  await same(page);
  await done(page);
}

/** A device may be called anything: it is text on every screen. */
export async function names(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await press('evil');
  await page.waitForSelector('[data-urgent]');
  check('the name is shown as it is', (await page.textContent('[data-urgent] h1')).includes('<img'));
  await page.waitForTimeout(700); // For as long as a key does not count.
  await page.keyboard.press('a');
  await page.waitForSelector('[data-urgent]', { state: 'detached' });
  await page.keyboard.press('j');
  await page.waitForSelector('[data-case]');
  await page.keyboard.press('2');
  await page.waitForSelector('.tile');
  await page.keyboard.press('e');
  await page.waitForSelector('[data-row="button/evil"]:has-text("<img src=x")');
  await page.click('[data-row="button/evil"] a');
  await page.waitForSelector('[data-device=evil] h2:has-text("<img src=x")');
  await page.keyboard.press('m');
  await page.waitForSelector('[data-map=there]');
  await page.fill('[data-search]', 'evil');
  await page.click('[data-found="source/evil"]');
  await page.waitForSelector('.card h2:has-text("<img src=x")');
  await page.locator('.ground').focus();
  await page.keyboard.press('3');
  await page.selectOption('select', 'source');
  await page.waitForSelector('table');
  check('no image of it, no mark', (await page.$$('img[src=x]')).length === 0 && (await page.evaluate(() => window.hacked === undefined)));
  const blocked = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>';
      return false;
    } catch {
      return true;
    }
  });
  check('text cannot become markup', blocked);
  page.errors.length = 0; // That one was ours.
  await done(page);
}

/** Language and colours change at once and stay; logging out leaves nothing. */
export async function words(chrome) {
  const page = await open(chrome, { allow: [/401/] });
  await logIn(page);
  check('Chinese first', (await page.textContent('h1')).includes('待处理') && (await page.getAttribute('html', 'lang')) === 'zh-CN');
  await page.click('[data-language]');
  check('then English', (await page.textContent('h1')).includes('Open incidents') && (await page.getAttribute('html', 'lang')) === 'en');
  check('dark as the desk wishes', (await page.getAttribute('html', 'data-theme')) === 'dark');
  await page.click('[data-theme-switch]');
  check('then light', (await page.getAttribute('html', 'data-theme')) === 'light');
  await page.reload();
  await page.waitForSelector('[data-link=live]');
  check('both stay', (await page.textContent('h1')).includes('Open incidents') && (await page.getAttribute('html', 'data-theme')) === 'light');
  check('no script reads the cookie', (await page.evaluate(() => document.cookie)) === '');
  await page.click('[data-logout]');
  await page.waitForSelector('[data-token]');
  await page.reload();
  await page.waitForSelector('[data-token]');
  await done(page);
}

/** A session that ends behind the officer's back: the page says so, and is not silent. */
export async function thrown(chrome) {
  const page = await open(chrome, { allow: [/401/] });
  await logIn(page);
  const other = await page.context().newPage();
  await other.goto(page.base + '/');
  await other.click('[data-logout]');
  await page.waitForSelector('[data-token]');
  check('it says that the list is old', (await page.textContent('[role=alert]')).includes('登录已失效'));
  const before = await tones(page);
  await until('it is heard', async () => (await tones(page)) > before, 40_000);
  await page.fill('[data-token]', token);
  await page.click('[data-login]');
  await page.waitForSelector('[data-link=live]');
  await done(page);
}

const flows = { accept, again, late, second, dismiss, keyboard, cuts, lost, touched, names, words, thrown };
const name = process.argv[2];
const { screens, measure } = await import('./screens.mjs');
const { accounts } = await import('./accounts.mjs');
const pages = await import('./pages.mjs');
const cameras = await import('./cameras.mjs');
const flow = { ...flows, ...cameras.flows, screens, measure, accounts, ...pages }[name];
check(`no flow is called ${name}`, flow !== undefined);
const chrome = await browser();
try {
  await flow(chrome);
} finally {
  await chrome.close();
}
