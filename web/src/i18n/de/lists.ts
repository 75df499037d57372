// Wörter der Listen von Workflows und Läufen, und eines Laufs.
import type { Messages } from '@/i18n/i18n';

export const workflows: Messages['workflows'] = {
  title: 'Workflows',
  new: 'Neuer Workflow',
  search: 'Workflows suchen',
  draft: 'Entwurf',
  live: (version) => `Aktiv · v${version}`,
  noDescription: 'Keine Beschreibung',
  noMatch: (q) => `Kein Workflow passt zu „${q}“.`,
  actions: (name) => `Aktionen für ${name}`,
  runs: 'Seine Läufe',
  duplicate: 'Verdoppeln',
  copyName: (name) => `${name} (Kopie)`.slice(0, 200),
  deleted: (name) => `„${name}“ ist gelöscht.`,
  deleteTitle: 'Diesen Workflow löschen?',
  deleteText: (name) => `„${name}“ verschwindet, offene Läufe werden abgebrochen, sein Webhook antwortet nicht mehr. Beendete Läufe bleiben lesbar.`,
  empty: {
    title: 'Den ersten Faden führen',
    text: 'Ein Workflow ist eine Zeichnung, die läuft: Sie beginnt mit einem Auslöser, und jeder Schritt wird festgehalten, bevor der nächste beginnt.',
    steps: ['Einen Ausgangspunkt wählen oder eine leere Fläche.', 'Knoten zeichnen, verbinden, den Entwurf ausführen und zusehen.', 'Veröffentlichen: Dann starten ihn API und Webhook.'],
    go: 'Workflow anlegen',
  },
  import: { title: 'Datei importieren', text: 'Ein Workflow als JSON. Hier ablegen oder auswählen.', tooLarge: 'Die Datei ist größer als 4 MiB.', notOne: 'Die Datei ist JSON, aber kein Workflow: name, nodes und edges gehören dazu.' },
};

export const runs: Messages['runs'] = {
  title: 'Läufe',
  byWorkflow: 'Workflow',
  byState: 'Status',
  allWorkflows: 'Alle Workflows',
  allStates: 'Jeder Status',
  noMatch: 'Kein Lauf ist so.',
  empty: { title: 'Noch ist nichts gelaufen', text: 'Hier steht jeder Lauf mit jedem seiner Schritte, so lange er aufgehoben wird.', go: 'Zu den Workflows' },
};

export const run: Messages['run'] = {
  title: 'Lauf',
  states: { queued: 'Wartet auf Start', running: 'Läuft', waiting: 'Wartet', succeeded: 'Gelungen', failed: 'Gescheitert', cancelled: 'Abgebrochen' },
  stepStates: { idle: 'Noch nicht', running: 'Läuft', retrying: 'Versucht es wieder', succeeded: 'Fertig', failed: 'Gescheitert', skipped: 'Übersprungen' },
  cancel: 'Abbrechen',
  again: 'Noch einmal',
  openWhole: 'Den ganzen Lauf öffnen',
  reconnecting: 'Die Leitung zum Server ist unterbrochen. Sie wird wieder aufgenommen …',
  failedWith: 'Der Lauf ist gescheitert',
  views: 'Ansichten des Laufs',
  timeline: 'Zeitverlauf',
  data: 'Eingabe und Ergebnis',
  input: 'Eingabe',
  output: 'Ausgabe',
  runOutput: 'Ergebnis des Laufs',
  noOutput: 'Noch keines.',
  inputFromBefore: 'Was die Schritte davor ergaben',
  settings: 'Einstellungen des Knotens',
  liveText: 'Gerade entsteht',
  error: 'Fehler',
  handledError: 'Fehler, aufgefangen',
  attempt: (n) => `Versuch ${n}`,
  attempts: (n) => (n === 1 ? '1 Versuch' : `${n} Versuche`),
  attemptsShort: (n) => `${n}×`,
  attemptsTitle: 'Versuche',
  retryAt: (time) => `nächster Versuch um ${time}`,
  waitsToRetry: 'Wartet auf den nächsten Versuch',
  skippedWhy: 'Keiner der Fäden, die hierher führen, wurde genommen.',
  neverReached: 'Der Lauf endete, bevor er hier ankam.',
  notReached: 'Noch nicht erreicht.',
  noStepsYet: 'Noch hat kein Schritt begonnen.',
  noEventsYet: 'Noch keine Ereignisse.',
  noGraph: 'Der Graph dieses Laufs lässt sich nicht zeigen: Sein Workflow ist fort.',
  versionText: (version) => (version > 0 ? `Version ${version}` : 'Entwurf'),
  journal: { title: 'Journal', seq: 'Nummer', at: 'Zeit', event: 'Ereignis', step: 'Schritt', note: 'Anmerkung' },
  start: {
    title: (name) => `„${name}“ ausführen`, go: 'Ausführen', draft: 'Es läuft der Entwurf.', published: 'Es läuft die veröffentlichte Version.', version: (n) => `Es läuft Version ${n}.`,
    view: 'Eingabe als', form: 'Formular', byForm: 'Wonach der Auslöser fragt.', byJson: 'Die Eingabe des Laufs, als JSON.',
  },
};

export const starters: Messages['starters'] = {
  start: 'Start',
  result: 'Ergebnis',
  blank: { title: 'Leere Fläche', text: 'Ein Start und ein Ergebnis, und dazwischen noch nichts.', name: 'Neuer Workflow' },
  lead: {
    title: 'Leads bearbeiten', text: 'Ein Webhook bringt einen Lead, eine API ergänzt ihn, ein Modell beurteilt ihn, das Team erfährt davon.', name: 'Leads bearbeiten', trigger: 'Neuer Lead', enrich: 'Ergänzen', analyse: 'Beurteilen', notify: 'Team benachrichtigen',
    system: 'Du beurteilst Leads für den Vertrieb. Sei kurz und konkret.', prompt: (data) => `Beurteile diesen Lead. Wer ist das, und was sollten wir anbieten?\n\n${data}`, message: 'Ein neuer Lead wurde beurteilt',
  },
  answer: { title: 'Frage und Antwort', text: 'Eine Frage, ein Modell, eine Antwort zum Mitlesen.', name: 'Frage und Antwort', question: 'Frage', model: 'Antworten', system: 'Antworte genau und in der Sprache der Frage.' },
  fanout: {
    title: 'Auffächern und sammeln', text: 'Drei Modelle lesen denselben Text zugleich; das Ergebnis wartet auf alle.', name: 'Einen Text dreifach lesen', input: 'Text', summary: 'Zusammenfassung', tags: 'Schlagworte', tone: 'Ton',
    summaryPrompt: 'Fasse in drei Sätzen zusammen:', tagsPrompt: 'Nenne fünf Schlagworte, mit Kommas getrennt:', tonePrompt: 'Beschreibe den Ton in einem Satz:',
  },
  alert: { title: 'Prüfen und warnen', text: 'Fragt eine API, entscheidet nach einem Grenzwert, warnt per Webhook und weiß auch weiter, wenn die API ausfällt.', name: 'Prüfen und warnen', check: 'Last abfragen', decide: 'Zu hoch?', high: 'Last ist hoch', send: 'Alarm geben', calm: 'Alles ruhig', down: 'Ausfall melden', message: 'Die Last ist {{ check-1.body.load }} %, die Grenze {{ vars.limit }} %.', downMessage: 'Die Status-API antwortet nicht.' },
};
