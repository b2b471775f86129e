// Where the page begins.

import { render } from 'preact';
import { LogIn, look, Who } from './entrance';
import { wake, watch } from './feed';
import { Broken, Foot, Notices, paint, theme, Top } from './frame';
import { Figures } from './figures';
import { Help, listen } from './keys';
import { Now } from './now';
import { route } from './route';
import { start } from './sound';
import { calls, entrance } from './state';
import { Asking } from './steps';
import { System } from './system';
import { Urgent } from './urgent';
import { language, speak, t } from './words';

function App() {
  document.title = t('app.name');
  if (entrance.value === 'asking') return <p class="hint">{t('live.connecting')}</p>;
  if (entrance.value === 'outside') return <LogIn />;
  const { tab } = route.value;
  return (
    <div class="page">
      <Top />
      {calls.value.length > 0 ? null : <Broken />}
      {tab === 'now' ? <Now /> : tab === 'system' ? <System /> : <Figures />}
      <Foot />
      <Notices />
      <Urgent />
      <Asking />
      <Who />
      <Help />
    </div>
  );
}

paint(theme());
speak(language.value);
start();
listen();
setInterval(watch, 1000);
document.addEventListener('visibilitychange', wake);
window.addEventListener('online', wake);
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
void look();
