import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';
import type { Prompt, PromptVersion } from '@/api/types';
import { answering, draw } from '@/ui/test-render';
import { PromptDetail } from '@/features/prompts/prompt-detail';
import { PromptList } from '@/features/prompts/prompt-list';

const ONE: Prompt = {
  id: 'p1',
  name: 'support-reply',
  description: 'For the desk',
  labels: { published: 1 },
  latest: 2,
  revision: 5,
  created_at: '2026-11-20T08:00:00Z',
  updated_at: '2026-11-20T08:00:00Z',
};
const VERSION = (version: number): PromptVersion => ({
  version,
  note: `note ${version}`,
  created_by: 'ann',
  created_at: '2026-11-20T08:00:00Z',
  variables: ['name', 'tone'],
  required: ['name'],
  prompt: { model: `model-${version}` },
});
const ANSWERS = {
  'GET /api/prompts/p1': ONE,
  'GET /api/prompts/p1/versions': { items: [VERSION(2), VERSION(1)], next_cursor: null },
  'GET /api/prompts/p1/versions/1': VERSION(1),
  'GET /api/prompts/p1/versions/2': VERSION(2),
  'GET /api/prompts/p1/diff': { from: 1, to: 2, changes: [{ path: '/model', from: 'model-1', to: 'model-2' }] },
};

describe('the list of prompts', () => {
  it('says what is published, and leads there', async () => {
    answering({ 'GET /api/prompts': { items: [ONE], next_cursor: null } });
    draw(<PromptList />);
    expect(await screen.findByRole('link', { name: 'support-reply' })).toHaveAttribute('href', '/prompts/p1');
    expect(screen.getByText('Version 1 published')).toBeInTheDocument();
  });

  it('makes a new one, not from a text that is no JSON', async () => {
    const calls = answering({
      'GET /api/prompts': { items: [], next_cursor: null },
      'POST /api/prompts': { ...ONE, id: 'p9' },
    });
    draw(<PromptList />);
    const user = userEvent.setup();
    expect(await screen.findByText('No prompts yet')).toBeInTheDocument();
    await user.click(screen.getByRole('button', { name: 'New prompt' }));
    await user.type(screen.getByRole('textbox', { name: /Name/ }), 'greeting');
    const text = screen.getByRole('textbox', { name: /Prompt/ });
    await user.clear(text);
    await user.type(text, '{{');
    expect(screen.getByRole('button', { name: 'Create' })).toBeDisabled();
    await user.clear(text);
    await user.type(text, '{{}');
    await user.click(screen.getByRole('button', { name: 'Create' }));
    await vi.waitFor(() =>
      expect(calls.find((call) => call.method === 'POST')?.body).toEqual({
        name: 'greeting',
        description: '',
        prompt: {},
      }),
    );
  });
});

describe('one prompt', () => {
  it('shows a version, what is different, and publishes it', async () => {
    const calls = answering({
      ...ANSWERS,
      'PUT /api/prompts/p1/labels/published': { ...ONE, labels: { published: 2 } },
    });
    draw(<PromptDetail id="p1" />);
    const user = userEvent.setup();
    expect(await screen.findByText('Variables: name, tone?')).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Publish version 1' })).toBeDisabled();
    await user.click(await screen.findByRole('button', { name: /Version 2/ }));
    expect(await screen.findByText('/model')).toBeInTheDocument();
    await user.click(screen.getByRole('button', { name: 'Publish version 2' }));
    await vi.waitFor(() =>
      expect(calls.find((call) => call.method === 'PUT')?.body).toEqual({ version: 2, revision: 5 }),
    );
  });

  it('adds a version', async () => {
    const calls = answering({ ...ANSWERS, 'POST /api/prompts/p1/versions': VERSION(2) });
    draw(<PromptDetail id="p1" />);
    const user = userEvent.setup();
    await screen.findByText('Variables: name, tone?');
    await user.click(screen.getByRole('button', { name: 'New version' }));
    await user.type(screen.getByRole('textbox', { name: 'Note' }), 'kinder');
    await user.click(screen.getByRole('button', { name: 'Save' }));
    await vi.waitFor(() =>
      expect(calls.find((call) => call.method === 'POST')?.body).toEqual({
        prompt: { model: 'model-1' },
        note: 'kinder',
        publish: false,
        revision: 5,
      }),
    );
  });

  it('says what went wrong', async () => {
    answering({ 'GET /api/prompts/p1': Response.json({ code: 'not_found' }, { status: 404 }) });
    draw(<PromptDetail id="p1" />);
    expect(await screen.findByRole('alert')).toBeInTheDocument();
  });
});
