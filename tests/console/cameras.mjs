// The tab of cameras: the wall, a live picture and how far it is behind, a zone drawn and tried, and nothing there yet.

import { api, check, done, logIn, open, press, shoot, until } from './browser.mjs';
import { faults, fits, SIZES as ALL } from './screens.mjs';

const SIZES = { desk: ALL.desk, phone: ALL.phone };
const share = (all, part) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))];
const playing = (page, id) => page.waitForSelector(`[data-live="${id}"][data-phase=playing]`);

async function cameras(page) {
  await page.goto(`${page.base}/#/cameras`);
  await page.waitForSelector('[data-wall] [data-tile]');
}

/** A wall of stills; a tile that is touched turns live, and back; the camera's own page plays and says how far behind it is. */
async function wall(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await cameras(page);
  const still = await until('a still', () => page.evaluate(() => document.querySelector('[data-still=yard] img')?.src));
  check('it says when it was', /\d\d:\d\d:\d\d/.test(await page.textContent('[data-still=yard] .caption')));
  await until('another still comes by itself', () => page.evaluate((still) => document.querySelector('[data-still=yard] img')?.src !== still, still));
  await page.click('[data-touch=yard]');
  await playing(page, 'yard');
  const caption = await until('how far behind', async () => /延迟 \d\.\d 秒 · H\.264 \d+p/.exec(await page.textContent('[data-live=yard] .caption')));
  console.log(`caption: ${caption[0]}`);
  const moved = () => page.evaluate(() => document.querySelector('[data-live=yard] video').currentTime);
  const before = await moved();
  await until('it plays on', async () => (await moved()) > before + 0.5);
  // Who looks at another tab takes nothing.
  await page.goto(`${page.base}/#/system`);
  await until('nobody watches', async () => (await api('GET', '/api/v1/cameras')).cameras[0].main.viewers === 0);
  await cameras(page);
  await playing(page, 'yard');
  await page.click('[data-touch=yard]');
  await page.waitForSelector('[data-still=yard]');
  await page.goto(`${page.base}/#/cameras/yard`);
  await playing(page, 'yard');
  await done(page);
}

/** A tile turns live by itself where something happens; who stops it has a still again while that goes on. */
async function happens(chrome) {
  const page = await open(chrome);
  await logIn(page);
  await cameras(page);
  await playing(page, 'yard');
  await page.click('[data-touch=yard]');
  await page.waitForSelector('[data-still=yard]');
  const still = await until('a still', () => page.evaluate(() => document.querySelector('[data-still=yard] img')?.src));
  await until('another still comes by itself', () => page.evaluate((still) => document.querySelector('[data-still=yard] img')?.src !== still, still));
  check('it stays a still', (await page.$('[data-live=yard]')) === null);
  await page.click('[data-touch=yard]');
  await playing(page, 'yard');
  await done(page);
}

/** What becomes of the picture while the gateway is away for a moment, and of a browser that lacks the codec. */
async function again(chrome) {
  const page = await open(chrome, { allow: [/WebSocket/, /net::ERR/] });
  const sockets = [];
  await page.routeWebSocket(/\/live/, (socket) => {
    socket.connectToServer();
    sockets.push(socket);
  });
  await logIn(page);
  await page.goto(`${page.base}/#/cameras/yard`);
  for (let n = 1; n <= 3; n += 1) {
    await playing(page, 'yard');
    await until('a socket', () => sockets.length >= n);
    sockets.at(-1).close();
    await page.waitForSelector('[data-live=yard]:not([data-phase=playing])');
  }
  await playing(page, 'yard');
  await done(page);
  const other = await open(chrome, { allow: [/WebSocket/] });
  await other.addInitScript(() => (MediaSource.isTypeSupported = () => false));
  await logIn(other);
  await other.goto(`${other.base}/#/cameras/yard`);
  await until('it says why there are stills', async () => (await other.textContent('[data-still=yard] .caption')).includes('放不了 H.264'), 30_000);
  const first = await other.getAttribute('[data-still=yard] img', 'src');
  await until('a still a second', async () => (await other.getAttribute('[data-still=yard] img', 'src')) !== first, 10_000);
  await done(other);
}

/** A zone by the mouse, by touch and by keys; tried, applied, taken back. */
async function zones(chrome) {
  for (const touch of [false, true]) {
    const page = await open(chrome, { touch, size: touch ? SIZES.phone : SIZES.desk });
    await logIn(page);
    await page.goto(`${page.base}/#/cameras/yard`);
    await page.click('[data-draw=walkers]');
    await until('the picture is there', () => page.evaluate(() => (document.querySelector('[data-canvas] img')?.naturalWidth ?? 0) > 0));
    await page.waitForSelector('[data-trial=tried] [data-answer]');
    check('the whole picture is as it is', /新规则会报 (\d+) 起，现在的规则会报 \1 起/.test(await page.textContent('[data-answer]')));
    const at = async (x, y) => {
      const box = await (await page.waitForSelector('[data-surface]')).boundingBox();
      const [left, top] = [box.x + box.width * x, box.y + box.height * y];
      await (touch ? page.touchscreen.tap(left, top) : page.mouse.click(left, top));
    };
    // A corner above everybody: nobody stands there.
    await at(0.1, 0.02);
    await at(0.9, 0.02);
    check('two points are no zone', await page.isDisabled('[data-apply]'));
    await at(0.9, 0.2);
    await page.waitForSelector('[data-corner="2"]');
    await until('nobody there', async () => /新规则会报 0 起，现在的规则会报 [1-9]/.test((await page.textContent('[data-trial]')) ?? ''));
    if (!touch) {
      const corner = await (await page.waitForSelector('[data-corner="2"]')).boundingBox();
      const box = await (await page.waitForSelector('[data-surface]')).boundingBox();
      await page.mouse.move(corner.x + corner.width / 2, corner.y + corner.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.99, { steps: 4 });
      await page.mouse.up();
      const label = await page.getAttribute('[data-corner="2"]', 'aria-label');
      check(`it was dragged: ${label}`, label.includes('左起 50%') && label.includes('上起 99%'));
      await page.focus('[data-corner="2"]');
      await page.keyboard.press('ArrowRight');
      check('a key moves it', (await page.getAttribute('[data-corner="2"]', 'aria-label')).includes('左起 51%'));
      await page.keyboard.press('Control+z');
      check('and Ctrl+Z takes that back', (await page.getAttribute('[data-corner="2"]', 'aria-label')).includes('左起 50%'));
      await page.keyboard.press('Delete');
      check('Delete removes it', (await page.$('[data-corner="2"]')) === null);
      await page.click('[data-undo]');
      await page.waitForSelector('[data-corner="2"]');
    }
    await page.waitForSelector('[data-trial=tried]');
    await shoot(page, `b-zone-${touch ? 'phone' : 'desk'}`);
    await page.click('[data-apply]');
    await page.click('[data-apply]');
    await page.waitForSelector('.notice:has-text("已生效")');
    const { cameras: [one], version } = await api('GET', '/api/v1/cameras');
    check('it is in effect', one.rules.find((rule) => rule.id === 'walkers').zone.length === 3);
    await page.click('[data-draw=walkers]');
    await page.click('[data-take-back]');
    await page.waitForSelector('.notice:has-text("已撤销")');
    const after = await api('GET', '/api/v1/cameras');
    check('it is taken back', after.cameras[0].rules.find((rule) => rule.id === 'walkers').zone.length === 0 && after.version === version + 1);
    await done(page);
  }
}

/** No camera yet: the page leads on, to a camera that is added and taken back, and to a press. */
async function none(chrome) {
  const page = await open(chrome, { allow: [/422/, /503/] });
  await logIn(page);
  await page.goto(`${page.base}/#/cameras`);
  await page.waitForSelector('[data-no-cameras]');
  await page.click('[data-find]');
  await until('the search has ended', async () => /找到 \d+ 台|没有摄像机应答|没有找成/.test(await page.textContent('[data-no-cameras]')));
  for (const [name, size] of Object.entries(SIZES)) {
    await page.setViewportSize(size);
    await fits(page, `none ${name}`);
    await shoot(page, `b-none-${name}`);
    await faults(page, `none ${name}`);
  }
  await page.setViewportSize(SIZES.desk);
  await page.click('[data-type]');
  await page.fill('[data-address]', 'rtsp://127.0.0.1:554/1');
  await page.click('[data-camera-go]');
  await page.waitForSelector('[data-camera-form] .warn:has-text("指向本机")');
  await page.fill('[data-address]', 'rtsp://192.0.2.7:554/1');
  await page.fill('[data-camera-name]', '<img src=x onerror="window.hacked=1">');
  await page.fill('[data-camera-user]', 'viewer');
  await page.fill('[data-camera-password]', 'planted');
  await shoot(page, 'b-add');
  await page.click('[data-camera-go]');
  await page.waitForSelector('[data-camera="camera-192-0-2-7"]');
  check('its name is text', (await page.textContent('h1')).includes('<img') && (await page.evaluate(() => window.hacked)) === undefined);
  const told = await api('GET', '/api/v1/cameras');
  check('it is one of them, and its password is nowhere', told.cameras.length === 1 && told.version === 1 && !JSON.stringify(told).includes('planted'));
  await cameras(page);
  await page.click('[data-left] summary');
  const ticked = () => page.$$eval('[data-steps] > li', (all) => all.map((one) => one.dataset.done));
  check('a zone and a press are left', (await ticked()).join() === 'true,false,false');
  await press('btn-1', { event: 'test' });
  await until('the press is ticked', async () => (await ticked()).join() === 'true,false,true');
  await shoot(page, 'b-left');
  await faults(page, 'steps that are left');
  await page.click('[data-more-cameras]');
  await page.click('[data-undo-last]');
  await page.click('[data-undo-last]');
  await page.waitForSelector('[data-no-cameras]');
  await listed(page);
  await done(page);
}

/** A button that nobody knows is pressed, and put on the list. */
async function listed(page) {
  const device = '0x00158d0001';
  await press(device, { event: 'test' });
  await page.goto(`${page.base}/#/devices/${device}`);
  await page.waitForSelector(`[data-device="${device}"]`);
  for (const [name, size] of Object.entries(SIZES)) {
    await page.setViewportSize(size);
    await page.waitForSelector('[data-register]');
    await shoot(page, `b-unknown-${name}`);
    await page.click('[data-register]');
    await fits(page, `button ${name}`);
    await shoot(page, `b-button-${name}`);
    await faults(page, `button ${name}`);
    await page.click('[data-button-form] .plain');
  }
  await page.setViewportSize(SIZES.desk);
  await page.click('[data-register]');
  check('without a name it is not put there', await page.isDisabled('[data-button-go]'));
  await page.fill('[data-button-field=name]', '<b>李奶奶</b> 3-201');
  await page.fill('[data-button-field=contact]', '女儿 13800000000');
  await page.click('[data-button-go]');
  await until('it is on the list', async () => (await page.textContent('[data-device] h2').catch(() => '')) === '<b>李奶奶</b> 3-201');
  await page.click('[data-register-more]');
  await page.fill('[data-button-device]', device);
  await page.fill('[data-button-field=name]', '另一个');
  await page.click('[data-button-go]');
  await page.waitForSelector('[data-button-form] .warn:has-text("已经登记")');
  await shoot(page, 'b-button-twice');
}

/** The tab as pictures. */
async function cameraScreens(chrome) {
  for (const language of ['zh', 'en']) {
    for (const theme of ['dark', 'light']) {
      for (const [name, size] of Object.entries(SIZES)) {
        const page = await open(chrome, { language, theme, size, touch: name === 'phone' });
        const picture = async (what) => {
          await fits(page, `${name} ${what}`);
          await shoot(page, `${what}-${name}-${language}-${theme}`);
          await faults(page, `${name} ${what}`);
        };
        await logIn(page);
        await cameras(page);
        await until('a picture', () => page.evaluate(() => document.querySelector('[data-tile] img')?.naturalWidth > 0 || document.querySelector('[data-live][data-phase=playing]') !== null));
        await picture('b-wall');
        await page.goto(`${page.base}/#/cameras/yard`);
        await playing(page, 'yard');
        await picture('b-camera');
        await page.click('[data-draw=new]');
        await page.selectOption('[data-kind]', 'line');
        await until('the picture is there', () => page.evaluate(() => (document.querySelector('[data-canvas] img')?.naturalWidth ?? 0) > 0));
        const box = await (await page.waitForSelector('[data-surface]')).boundingBox();
        const tap = (x, y) => (name === 'phone' ? page.touchscreen.tap(x, y) : page.mouse.click(x, y));
        await tap(box.x + box.width * 0.2, box.y + box.height * 0.7);
        await tap(box.x + box.width * 0.8, box.y + box.height * 0.4);
        await page.waitForSelector('[data-trial=tried]');
        await picture('b-line');
        await done(page);
      }
    }
  }
}

/** Behind the camera, by a number that is burnt into each picture; and the first picture after it was opened. */
async function behind(chrome) {
  const [turnS, loopS, fps] = [Number(process.env.GRIDPOST_TURN), Number(process.env.GRIDPOST_LOOP_S), 25];
  const firsts = [];
  let late = [];
  let [drawn, dropped] = [0, 0];
  for (let n = 0; n < 5; n += 1) {
    const page = await open(chrome);
    await logIn(page);
    await page.goto(`${page.base}/#/cameras/yard`);
    await playing(page, 'yard');
    firsts.push(Number(await page.getAttribute('[data-live=yard] video', 'data-first')));
    if (n === 4) {
      await page.waitForTimeout(3000); // It has caught up by then.
      const told = await page.evaluate(
        ([turnS, loopS, fps]) =>
          new Promise((tell) => {
            const video = document.querySelector('[data-live=yard] video');
            const paint = new OffscreenCanvas(10, 1).getContext('2d', { willReadFrequently: true });
            const late = [];
            const look = () => {
              const now = Date.now() / 1000;
              paint.drawImage(video, 0, 0, (video.videoWidth * 1280) / 1920, (video.videoHeight * 64) / 1080, 0, 0, 10, 1);
              const { data } = paint.getImageData(0, 0, 10, 1);
              let number = 0;
              for (let bit = 0; bit < 10; bit += 1) if (data[bit * 4] > 128) number += 2 ** bit;
              late.push((((now - turnS - number / fps) % loopS) + loopS) % loopS);
              if (late.length < 250) video.requestVideoFrameCallback(look);
              else tell({ late, quality: [video.getVideoPlaybackQuality().totalVideoFrames, video.getVideoPlaybackQuality().droppedVideoFrames] });
            };
            video.requestVideoFrameCallback(look);
          }),
        [turnS, loopS, fps],
      );
      late = told.late;
      [drawn, dropped] = told.quality;
      console.log(`by the page itself: ${await page.getAttribute('[data-live=yard]', 'data-behind')} s behind`);
    }
    await done(page);
  }
  const [p50, p95] = [share(late, 0.5), share(late, 0.95)];
  console.log(`live behind the source: p50 ${(p50 * 1000).toFixed(0)} ms, p95 ${(p95 * 1000).toFixed(0)} ms of ${late.length} pictures; ${dropped} of ${drawn} dropped by the browser`);
  console.log(`first picture after opening: median ${share(firsts, 0.5)} ms, at most ${Math.max(...firsts)} ms of ${firsts.length}`);
  // Beside other work on two cores it may take longer; far beyond it something waits.
  check(`p50 is ${p50} s`, p50 <= 1.5);
  check(`the first picture took ${share(firsts, 0.5)} ms`, share(firsts, 0.5) <= 3000);
}

export const flows = { wall, 'wall-happens': happens, 'wall-again': again, zones, 'no-cameras': none, 'camera-screens': cameraScreens, behind };
