// A camera's picture: a still that is read again now and then, or what it shows now.

import { useEffect, useRef, useState } from 'preact/hooks';
import { Refused } from './api';
import { cameraPath, type Camera } from './cameras-data';
import { Player, type Showing } from './player';
import { clockS } from './time';
import { t } from './words';

/** Whether an element is on the screen, of a page that somebody sees. */
function useSeen(of: { current: Element | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const one = of.current;
    if (one === null) return;
    let inside = false;
    const look = () => setSeen(inside && !document.hidden);
    const watcher = new IntersectionObserver((all) => {
      inside = all.some((entry) => entry.isIntersecting);
      look();
    });
    watcher.observe(one);
    document.addEventListener('visibilitychange', look);
    return () => {
      watcher.disconnect();
      document.removeEventListener('visibilitychange', look);
    };
  }, []);
  return seen;
}

interface Got { url: string; at: string }

/** Read again so often while it is seen; the time that it shows is on it. Of a camera from which nothing came there is none to ask for. */
export function Still({ one, everyMs, note = '' }: { one: Camera; everyMs: number; note?: string }) {
  const { id, name } = one;
  const box = useRef<HTMLDivElement>(null);
  const isThere = one.main !== null || one.sub !== null;
  const seen = useSeen(box) && isThere;
  const [got, setGot] = useState<Got | null>(null);
  const [why, setWhy] = useState('');
  useEffect(() => {
    if (!seen) return;
    let gone = false;
    let timer = 0;
    const read = async () => {
      try {
        const answer = await fetch(cameraPath(id, 'still'), { cache: 'no-store', credentials: 'same-origin' });
        if (!answer.ok) throw new Refused(answer.status, (await answer.json()) as Record<string, unknown>);
        const url = URL.createObjectURL(await answer.blob());
        if (gone) return URL.revokeObjectURL(url);
        setGot({ url, at: answer.headers.get('x-gridpost-at') ?? '' });
        setWhy('');
      } catch (error) {
        if (!gone) setWhy(error instanceof Refused && error.status === 503 ? t('cam.no_picture') : t('cam.no_answer'));
      }
      if (!gone) timer = window.setTimeout(() => void read(), everyMs);
    };
    void read();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [id, seen, everyMs]);
  useEffect(() => () => got !== null ? URL.revokeObjectURL(got.url) : undefined, [got]);
  return (
    <div class="view" ref={box} data-still={id}>
      {got === null ? <div class="none">{!isThere ? t('cam.no_picture') : why === '' ? t('list.loading') : why}</div> : <img src={got.url} alt={t('cam.alt', { name, time: got.at === '' ? '' : clockS(got.at) })} />}
      <span class="caption">{got === null ? '' : `${why === '' ? '' : `${why} · `}${note === '' ? '' : `${note} · `}${t('cam.still_at', { time: clockS(got.at) })}`}</span>
    </div>
  );
}

/** H.264 1080p: as people say it. */
function form(shows: Showing): string {
  const codec = shows.codec.startsWith('avc') ? 'H.264' : shows.codec.startsWith('hvc') ? 'H.265' : shows.codec;
  return `${codec} ${shows.height}p`;
}

/** What it shows now; where this browser cannot, a still a second, and why. */
export function Live({ one, main = false }: { one: Camera; main?: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(box);
  const [shows, setShows] = useState<Showing | null>(null);
  const cannot = shows?.phase === 'cannot';
  useEffect(() => {
    if (!seen || cannot || video.current === null) return;
    const player = new Player(video.current, `${cameraPath(one.id, 'live')}${main ? '?stream=main' : ''}`, setShows);
    player.start();
    return () => player.stop();
  }, [one.id, main, seen, cannot]);
  if (cannot) return <Still one={one} everyMs={1000} note={t('cam.cannot', { codec: form(shows) })} />;
  const behind = shows?.behindS ?? null;
  const caption =
    shows?.phase === 'playing'
      ? `${behind === null ? '' : `${t('cam.behind', { s: Math.max(0, behind).toFixed(1) })} · `}${form(shows)}`
      : shows?.phase === 'waiting'
        ? t(shows.why === '' ? 'cam.silent' : 'cam.no_picture')
        : t('cam.connecting');
  return (
    <div class="view" ref={box} data-live={one.id} data-phase={shows?.phase ?? 'connecting'} data-behind={behind ?? ''}>
      <video ref={video} muted playsInline aria-label={t('cam.live_of', { name: one.name })} />
      <span class="caption live">{caption}</span>
    </div>
  );
}
