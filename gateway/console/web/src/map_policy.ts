// Loaded before the map's library, which asks the browser once whether it can draw by turning this one string into markup.
// It may; anything else that would become markup or code throws, whoever says it.

const ASKED = '<svg/>';

interface Policies { createPolicy(name: string, rules: Record<string, (text: string) => string>): unknown }

const only = (text: string): string => {
  if (text === ASKED) return text;
  throw new TypeError('text must never become markup or code');
};

// Browsers without Trusted Types have no policies, and the page's own sources turn no text into markup anyway.
const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
policies?.createPolicy('default', { createHTML: only, createScript: only, createScriptURL: only });
