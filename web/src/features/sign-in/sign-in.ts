// Trades a one-time token for the session cookie.
import { ApiProblem, problemOf } from '@/api/problem';

/** The token in what was pasted: the whole link, its query, or the token alone; null when there is none. */
export function tokenOf(text: string): string | null {
  const trimmed = text.trim();
  const inLink = /[?&]token=([^&#\s]+)/.exec(trimmed)?.[1];
  const token = inLink === undefined ? trimmed : decodeURIComponent(inLink);
  return /^[A-Za-z0-9._~+/=-]{8,512}$/.test(token) ? token : null;
}

/** True when there is a session now. */
export async function signIn(token: string): Promise<boolean> {
  let answer: Response;
  try {
    // The answer is a redirect that sets the cookie; where it leads to does not matter here.
    answer = await fetch(`/signin?token=${encodeURIComponent(token)}`, {
      credentials: 'same-origin',
      redirect: 'manual',
      cache: 'no-store',
    });
  } catch {
    throw new ApiProblem(0, { code: 'network' });
  }
  if (answer.type !== 'opaqueredirect' && answer.status >= 500) throw await problemOf(answer);
  const me = await fetch('/api/me', { credentials: 'same-origin', cache: 'no-store' });
  return me.ok;
}
