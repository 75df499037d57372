// Words for node types, groups and fields: German from the catalogue, English from the server, else made from the name.
import type { FieldType, NodeType } from '@/api/types';
import type { Messages } from '@/i18n/i18n';

export const humanise = (name: string) => {
  const text = name.replaceAll(/[_-]+/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
};

export function typeTitle(type: Pick<NodeType, 'type' | 'title'>, t: Messages): string {
  return t.nodeWords.types[type.type]?.title ?? (type.title || humanise(type.type));
}

export function typeHelp(type: NodeType, t: Messages): string {
  return t.nodeWords.types[type.type]?.help ?? type.help ?? '';
}

/** @key is the field's place in words: "trigger.webhook.secret". */
export function fieldTitle(key: string, field: FieldType, t: Messages): string {
  return t.nodeWords.fields[key]?.[0] ?? field.title ?? humanise(field.name);
}

export function fieldHelp(key: string, field: FieldType, t: Messages): string | undefined {
  return t.nodeWords.fields[key]?.[1] ?? field.help;
}

/** The word of an option, where there is one: its own, that of comparisons, one for all such options. */
export function optionWord(key: string, option: string, t: Messages): string | undefined {
  const { options } = t.nodeWords;
  const { operators, logic }: Record<'operators' | 'logic', Record<string, string>> = t.editor;
  const words = key.endsWith('.operator') ? operators : key.endsWith('.logic') ? logic : options;
  return options[`${key}.${option}`] ?? words[option];
}

/** An option of an enum: its word, itself if it is an abbreviation. */
export function optionTitle(key: string, option: string, t: Messages): string {
  return optionWord(key, option, t) ?? (/^[A-Z]+$/.test(option) ? option : humanise(option));
}

export function groupTitle(group: string, t: Messages): string {
  return (t.flow.groups as Record<string, string>)[group] ?? humanise(group);
}
