// The door: there is no password, the server prints a link that is good for one sign-in.
import { useState, type SyntheticEvent } from 'react';
import { asProblem } from '@/api/problem';
import { useT } from '@/i18n/i18n';
import { useTitle } from '@/lib/use';
import { Button } from '@/ui/button';
import { CopyButton } from '@/ui/copy-button';
import { Field, TextInput } from '@/ui/field';
import { Icon } from '@/ui/icon';
import { Logo, Warp } from '@/ui/logo';
import { signIn, tokenOf } from '@/features/sign-in/sign-in';

interface SignInPageProps {
  /** Why the page is shown: nobody was signed in, the session has ended, or a link was refused. */
  reason: 'none' | 'expired' | 'refused';
  onSignedIn: () => void;
  /** Switches of language and theme. */
  corner: React.ReactNode;
}

const COMMAND = 'heddle signin --data data';

export function SignInPage({ reason, onSignedIn, corner }: SignInPageProps) {
  const t = useT();
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  useTitle(t.signIn.title);

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    const token = tokenOf(text);
    if (token === null) return setError(t.signIn.notAToken);
    setBusy(true);
    setError(null);
    try {
      if (await signIn(token)) onSignedIn();
      else setError(t.signIn.refused);
    } catch (failure) {
      const problem = asProblem(failure);
      setError(problem.status === 0 ? t.problems.byCode.network.detail : problem.detail || t.signIn.refused);
    } finally {
      setBusy(false);
    }
  };

  const notice = { none: null, expired: t.signIn.expired, refused: t.signIn.refused }[reason];
  return (
    <div className="relative flex min-h-full flex-col lg:grid lg:grid-cols-[minmax(26rem,34rem)_1fr]">
      <main className="z-1 flex flex-1 flex-col bg-surface px-6 py-6 shadow-lg sm:px-12 lg:border-r">
        <div className="flex items-center justify-between">
          <Logo />
          {corner}
        </div>
        <div className="my-auto w-full max-w-md py-10">
          <h1 className="font-serif text-[2rem] leading-10 tracking-[-0.015em]">{t.signIn.heading}</h1>
          <p className="mt-2 text-lg text-ink-2">{t.signIn.lead}</p>
          {notice && (
            <p role="status" className="mt-5 flex gap-2 rounded-md bg-weld-soft px-3 py-2.5 text-weld">
              <Icon name="clock" className="mt-0.5" size={16} />
              {notice}
            </p>
          )}
          <form className="mt-6" onSubmit={(event) => void submit(event)}>
            <Field label={t.signIn.field} error={error} hint={t.signIn.fieldHelp}>
              {(ids) => (
                <TextInput
                  {...ids}
                  autoFocus
                  className="code h-10"
                  value={text}
                  placeholder="http://127.0.0.1:3000/signin?token=…"
                  onChange={(event) => {
                    setText(event.target.value);
                    setError(null);
                  }}
                />
              )}
            </Field>
            <Button type="submit" kind="primary" busy={busy} className="mt-4 w-full" icon="arrow">
              {t.signIn.go}
            </Button>
          </form>
          <section className="mt-8 border-t pt-5">
            <h2 className="font-medium">{t.signIn.whereTitle}</h2>
            <ol className="mt-2 list-decimal space-y-2 pl-5 text-ink-2 marker:text-ink-3">
              <li>{t.signIn.where1}</li>
              <li>
                {t.signIn.where2}
                <span className="mt-1.5 flex items-center rounded-md border bg-sunken py-0.5 pr-1 pl-3">
                  <code className="code min-w-0 flex-1 truncate text-ink">{COMMAND}</code>
                  <CopyButton text={COMMAND} />
                </span>
              </li>
            </ol>
            <p className="mt-4 text-sm text-ink-3">{t.signIn.keys}</p>
          </section>
        </div>
      </main>
      <div className="relative hidden overflow-hidden lg:block">
        <Warp className="absolute inset-0 size-full" />
      </div>
    </div>
  );
}
