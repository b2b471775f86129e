// Where the page begins.

import { render } from 'preact';
import { Accounts } from './accounts';
import { Cameras } from './cameras';
import { inside, look, Who } from './entrance';
import { wake, watch } from './feed';
import { Broken, Foot, Notices, paint, theme, Top } from './frame';
import { Figures } from './figures';
import { Help, listen } from './keys';
import { LogIn } from './login';
import { Now } from './now';
import { Own } from './own';
import { may } from './rights';
import { route, type Tab } from './route';
import { start } from './sound';
import { calls, entrance } from './state';
import { Asking } from './steps';
import { System } from './system';
import { Devices } from './devices';
import { MapScreen } from './map';
import { Urgent } from './urgent';
import { PairWall } from './wall';
import { language, speak, t } from './words';

/** What his role may not see is the list of cases. */
function Screen({ tab }: { tab: Tab }) {
  if (tab === 'system') return <System />;
  if (tab === 'map') return <MapScreen />;
  if (tab === 'devices') return <Devices />;
  if (tab === 'cameras' && may('cameras')) return <Cameras />;
  if (tab === 'figures' && may('figures')) return <Figures />;
  if (tab === 'accounts' && may('accounts')) return <Accounts />;
  return <Now />;
}

function App() {
  document.title = t('app.name');
  if (entrance.value === 'asking') return <p class="hint">{t('live.connecting')}</p>;
  const { tab } = route.value;
  if (entrance.value === 'outside') return tab === 'wall' ? <PairWall onIn={inside} /> : <LogIn onIn={inside} />;
  return (
    <div class="page">
      <Top />
      {calls.value.length > 0 ? null : <Broken />}
      <Screen tab={tab} />
      <Foot />
      <Notices />
      <Urgent />
      <Asking />
      <Who />
      <Own />
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
