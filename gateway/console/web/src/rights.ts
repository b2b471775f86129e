// What whoever sits here may do, so that what he may not is not shown. The gateway decides; this only hides.

import { signal } from '@preact/signals';

export type AccountRole = 'officer' | 'worker' | 'commander' | 'installer' | 'auditor' | 'wall';
export const PERSON_ROLES = ['officer', 'worker', 'commander', 'installer', 'auditor'] as const;

export interface Account { name: string; roles: AccountRole[]; grids: string[] }

/** As `GET /api/v1/session` tells. */
export interface Session { open: boolean; by: string | null; account?: Account; first?: boolean; accounts?: boolean }

/** Who is logged in by name; null: by the token of the site, which opens everything. */
export const account = signal<Account | null>(null);

const RIGHTS = {
  reply: ['officer', 'worker', 'commander'],
  evidence: ['officer', 'worker', 'commander', 'auditor', 'wall'],
  figures: ['officer', 'worker', 'commander', 'auditor'],
  cameras: ['officer', 'worker', 'commander', 'installer', 'wall'],
  rules: ['commander', 'installer'],
  install: ['installer'],
  accounts: ['commander', 'installer'],
  walls: ['commander'],
} as const satisfies Record<string, readonly AccountRole[]>;

export function may(what: keyof typeof RIGHTS): boolean {
  const own = account.value;
  const roles: readonly AccountRole[] = RIGHTS[what];
  return own === null || own.roles.some((role) => roles.includes(role));
}
