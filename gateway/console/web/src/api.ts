// The gateway's API: JSON over the page's own origin, with the session's cookie.

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: Record<string, unknown>,
  ) {
    super(typeof body['error'] === 'string' ? body['error'] : `HTTP ${status}`);
  }
}

/** A request is given up after so long without a byte; as long as its answer comes, it may take longer. */
const WITHIN_MS = 15_000;

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const gone = new AbortController();
  let timer = setTimeout(() => gone.abort(), WITHIN_MS);
  const goesOn = () => {
    clearTimeout(timer);
    timer = setTimeout(() => gone.abort(), WITHIN_MS);
  };
  try {
    const answer = await fetch(path, {
      method,
      signal: gone.signal,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await read(answer, goesOn);
    const said: unknown = text === '' ? {} : parse(text);
    if (!answer.ok) throw new Refused(answer.status, (said ?? {}) as Record<string, unknown>);
    return said as T;
  } finally {
    clearTimeout(timer);
  }
}

/** The whole answer; `goesOn` hears of each piece. */
async function read(answer: Response, goesOn: () => void): Promise<string> {
  const reader = answer.body?.getReader();
  if (reader === undefined) return answer.text();
  const decoder = new TextDecoder();
  for (let text = ''; ; ) {
    const { done, value } = await reader.read();
    goesOn();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.slice(0, 200) };
  }
}

/** Of a path of the gateway, for a WebSocket. */
export const socketUrl = (path: string): string => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${path}`;

const RETRY_MS = [300, 1000, 2000, 5000];
/** How long to wait before a WebSocket is opened again, after so many tries. */
export const retryMs = (tries: number): number => RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] ?? 5000;

/** 128 random bits as text; `randomUUID` is not there over plain http. */
export function freshId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `c-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

export const evidenceUrl = (id: string): string => `/api/v1/evidence/${encodeURIComponent(id)}`;
export const packageUrl = (id: string, reason: string): string => `/api/v1/incidents/${encodeURIComponent(id)}/package?reason=${encodeURIComponent(reason)}`;
