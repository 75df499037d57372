// The English catalogue. Its shape is the type that every other language must fill.
import { about, api, common, problems, shell, signIn } from '@/i18n/en/common';
import { editor } from '@/i18n/en/editor';
import { flow, nodeWords } from '@/i18n/en/flow';
import { approvals, compare, run, runs, starters, workflows } from '@/i18n/en/lists';
import { calls, prompts } from '@/i18n/en/models';

export const en = {
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
