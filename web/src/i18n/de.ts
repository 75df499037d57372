// Der deutsche Katalog.
import type { Messages } from '@/i18n/i18n';
import { about, api, common, problems, shell, signIn } from '@/i18n/de/common';
import { editor } from '@/i18n/de/editor';
import { flow, nodeWords } from '@/i18n/de/flow';
import { approvals, compare, run, runs, starters, workflows } from '@/i18n/de/lists';
import { calls, prompts } from '@/i18n/de/models';

export const de: Messages = {
  about,
  api,
  approvals,
  calls,
  common,
  compare,
  editor,
  flow,
  nodeWords,
  problems,
  prompts,
  run,
  runs,
  shell,
  signIn,
  starters,
  workflows,
};
