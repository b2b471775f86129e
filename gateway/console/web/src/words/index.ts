// Which language, and the sentence for a key.

import { signal } from '@preact/signals';
import { en } from './en';
import { zh, type Key } from './zh';

export type { Key } from './zh';
export type Language = 'zh' | 'en';

const KEPT = 'gridpost.language';

/** Chinese, unless another one was chosen at this screen. */
export const language = signal<Language>(kept(KEPT) === 'en' ? 'en' : 'zh');

export function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // Storage may be forbidden: then nothing is remembered.
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // As above.
  }
}

export function speak(to: Language): void {
  language.value = to;
  keep(KEPT, to);
  document.documentElement.lang = to === 'zh' ? 'zh-CN' : 'en';
}

/** The sentence, with its names filled in. */
export function t(key: Key, names: Record<string, string | number> = {}): string {
  const words = language.value === 'zh' ? zh : en;
  return words[key].replace(/\{(\w+)\}/g, (_, name: string) => String(names[name] ?? ''));
}

/** For words that come from the gateway: what the page does not know is shown as it came. */
export function word(group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in zh ? t(key as Key) : name;
}
