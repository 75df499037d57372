// The console starts here: first its language, then everything else.
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from '@/app/app';
import { loadMessages, preferredLang } from '@/i18n/i18n';
import '@/ui/app.css';

async function start() {
  const lang = preferredLang();
  document.documentElement.lang = lang;
  const t = await loadMessages(lang);
  const root = document.getElementById('root');
  if (root)
    createRoot(root).render(
      <StrictMode>
        <App words={{ lang, t }} />
      </StrictMode>,
    );
}

void start();
