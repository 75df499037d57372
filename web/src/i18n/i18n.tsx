// The language of the console: a typed catalogue, kept in context. English is built in, German is fetched when chosen.
import { createContext, useContext, useMemo, useState, type ReactNode } from 'react';
import { recall, remember } from '@/lib/prefs';
import { en } from '@/i18n/en';

export type Lang = 'en' | 'de';
export type Messages = typeof en;

interface I18n {
  lang: Lang;
  t: Messages;
  setLang: (lang: Lang) => void;
}

const Context = createContext<I18n>({ lang: 'en', t: en, setLang: () => undefined });

export function preferredLang(): Lang {
  const stored = recall('lang');
  if (stored === 'en' || stored === 'de') return stored;
  return navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en';
}

export async function loadMessages(lang: Lang): Promise<Messages> {
  return lang === 'de' ? (await import('@/i18n/de')).de : en;
}

interface ProviderProps {
  initial: { lang: Lang; t: Messages };
  children: ReactNode;
}

export function I18nProvider({ initial, children }: ProviderProps) {
  const [state, setState] = useState(initial);
  const value = useMemo<I18n>(
    () => ({
      ...state,
      setLang: (lang) => {
        void loadMessages(lang).then((t) => {
          remember('lang', lang);
          document.documentElement.lang = lang;
          setState({ lang, t });
        });
      },
    }),
    [state],
  );
  return <Context value={value}>{children}</Context>;
}

export const useI18n = () => useContext(Context);
export const useT = () => useContext(Context).t;
