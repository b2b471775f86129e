// What the API tells (docs/contract.md). What is absent is absent, never null.

export type Severity = 1 | 2 | 3 | 4;
export type Stage = 'opened' | 'accepted' | 'dispatched' | 'handled' | 'verified' | 'closed' | 'dismissed';
export type Light = 'green' | 'yellow' | 'red';

export interface Evidence {
  id: string;
  media_type: string;
  sha256: string;
  bytes: number;
  starts_at?: string;
  ends_at?: string;
  pre_roll_ms?: number;
  pre_roll_limit?: string;
  /** It is the sealed original of this picture: it has no address. */
  original_of?: string;
  /** Its camera shows what is private: no sink gets the file. */
  kept_here?: boolean;
}

export interface Step {
  step: string;
  by: string;
  at: string;
  revision: number;
  note?: string;
  reason?: string;
  department?: string;
  until?: string;
  into?: string;
  self_handled?: boolean;
  level?: string;
}

export interface Source { id: string; kind: string; name: string }

export interface Deadline {
  tier: string;
  accept_by: string;
  finish_by: string;
  light: Light;
  step?: { for: string; by: string };
  next?: { what: string; for_step?: string; at: string };
}

/** An incident as `data` of the event has it. */
export interface Case {
  incident: string;
  revision: number;
  what: string;
  stage: Stage;
  active: boolean;
  kind: string;
  severity: Severity;
  title: { zh: string; en: string };
  grid?: { code: string; name: string; community?: string; head?: string; head_phone?: string };
  place?: { lon?: number; lat?: number; text?: string };
  began_at: string;
  opened_at: string;
  changed_at: string;
  ended_at?: string;
  closed_at?: string;
  sources: Source[];
  objects: { label: string; count: number; score_max: number }[];
  evidence: Evidence[];
  deadline?: Deadline;
  route?: { department: string; item: string; person?: string; phone?: string; admitted?: boolean };
  department?: string;
  accepted_by?: string;
  accepted_at?: string;
  steps?: Step[];
  steps_left_out?: number;
  suspended_until?: string;
  asked?: { what: string; by: string; at: string; until?: string };
  merged_into?: string;
  clock: { device?: string; gateway: string; error_ms: number };
  why: string;
  /** The same, sentence by sentence, for officers; `said`: as it is. */
  why_words?: { code: string; zh: string }[];
  detail?: Record<string, unknown>;
}

/** How the gateway itself is. */
export interface Condition {
  reasons: string[];
  notes: string[];
  /** Both, each with a code. */
  faults?: Fault[];
  model?: string | null;
  provider?: string;
  sinks: Sink[];
  free_bytes?: number | null;
  min_free_bytes: number;
  evidence_bytes: number;
  journal_bytes: number;
  memory_bytes?: number;
  load_1m?: number;
  processors?: number;
}

export interface Fault { code: string; of?: string; bad: boolean; text: string }

export interface Sink { id: string; up: boolean; pending: number; dead: number; accepted?: number; delivered?: number; shed?: number; lost?: number }

export interface Person { name: string; role: string; on_duty: boolean }

/** What a page begins with, at one position of the journal. */
export interface Overview {
  series: string;
  position: number;
  at: string;
  version: string;
  site: string;
  words: { name: string; people: Person[]; departments: string[] };
  open: Case[];
  left_out: number;
  condition: Condition;
}

export type Message =
  | { type: 'change'; after: number; position: number; case: Case }
  | { type: 'alive'; position: number; at: string; condition: Condition }
  | { type: 'drones'; drones: Drone[] }
  | { type: 'reload' | 'logged-out' | 'stopping' };

/** Where a drone was last. */
export interface Drone { id: string; flying: boolean; at: string; place: [number, number]; height_m?: number; azimuth_deg?: number; looks_at?: [number, number]; battery?: number }

export interface Device {
  id: string;
  name: string;
  states: string[];
  battery?: number | null;
  link?: number | null;
  heard_at?: string | null;
  via?: string | null;
  model?: string | null;
  pressed_at?: string | null;
  tested_at?: string | null;
}
