/* scripted.mjs - a server that does what its scripts say: by a name, a list of behaviours. Each request takes the next
 * entry, the last one stays. */
import { Listener } from './listener.mjs';

export class ScriptedServer extends Listener {
  constructor() {
    super();
    this.scripts = new Map();
    this.turns = new Map();
  }

  script(name, ...behaviours) {
    this.scripts.set(name, behaviours);
    this.turns.delete(name);
  }

  /* What to do with the next request of this name; {} where nothing is said. */
  next(name) {
    const list = this.scripts.get(name);
    if (!list?.length) return {};
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, turn + 1);
    return list[Math.min(turn, list.length - 1)];
  }
}
