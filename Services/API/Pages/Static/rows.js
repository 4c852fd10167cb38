// A list of the page. Its rows stay the same elements while what they show changes, so that the keyboard's focus
// survives.

export class Rows {
  #rows = new Map();

  // `make` gives an empty row, `fill` shows a thing in it; each thing has an id.
  constructor(list, make, fill) {
    Object.assign(this, { list, make, fill });
  }

  show(things) {
    const gone = new Set(this.#rows.keys());
    things.forEach((thing, place) => {
      gone.delete(thing.id);
      if (!this.#rows.has(thing.id)) this.#rows.set(thing.id, this.make());
      const row = this.#rows.get(thing.id);
      this.fill(row, thing);
      if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
    });
    for (const id of gone) {
      this.#rows.get(id).remove();
      this.#rows.delete(id);
    }
  }

  row(id) {
    return this.#rows.get(id);
  }
}
