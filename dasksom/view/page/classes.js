// The classes of the units: shown as a table, edited, and saved by the server at each change.

import { at, make, number, percent, plural, say } from "./elements.js";
import { ask } from "./tiles.js";

// Sends a change; returns the new classes, and in `error` why it was refused.
async function send(change) {
  try {
    return await (await ask("classes", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change),
    })).json();
  } catch (error) {
    if (error.content?.numbers) return error.content;
    throw error;
  }
}

// `chosen` is the set of chosen units; `changed()` is called when colors may differ; `choose(units, event)` chooses.
export async function makeEditor(about, chosen, { changed, choose, failed }) {
  const editor = {
    state: await (await ask("classes")).json(),
    hidden: new Set(),
    get used() { return [...new Set(this.state.numbers)].filter(Boolean).sort((one, other) => one - other); },
    unitsOf(wanted) { return this.state.numbers.flatMap((own, unit) => own === wanted ? [unit] : []); },
    name(wanted) { return wanted ? this.state.names[wanted - 1] : "no class"; },
    refresh: async version => {
      if (version !== editor.state.version) show(await (await ask("classes")).json());
    },
    showChosen,
    showWriting,
    undo: () => change({ edit: "undo" }),
    make: () => chosen.size && change({ edit: "units", units: [...chosen], class: null }),
    // the chosen units, and all others of their classes
    merge: () => {
      if (at("merge").disabled) return;
      const own = new Set([...chosen].map(unit => editor.state.numbers[unit]));
      own.delete(0);
      const units = editor.state.numbers.flatMap((one, unit) => chosen.has(unit) || own.has(one) ? [unit] : []);
      change({ edit: "units", units, class: target() });
    },
  };
  const rows = new Map();  // of the table: {key, element} by class
  let queue = Promise.resolve(), seenWriting = "idle", targets = "";

  // changes are sent one after the other, each with the version that the one before has made
  function change(edit) {
    queue = queue.then(async () => {
      const before = editor.state, isMerge = edit.edit === "units" && edit.class !== null;
      try {
        at("saved").textContent = "Saving …";
        if (isMerge) {  // shown before it is saved
          const units = new Set(edit.units);
          show({ ...before, numbers: before.numbers.map((own, unit) => units.has(unit) ? edit.class : own) });
        }
        const state = await send({ ...edit, version: before.version });
        show(state);
        say(state.error ?? null);
        at("saved").textContent = state.error ? "" : edit.edit === "write" ? "" : `Saved in ${state.file}`;
      } catch (error) {
        at("saved").textContent = "";
        if (isMerge) show(before);
        failed(error);
      }
    });
    return queue;
  }

  // the class that a merge makes: of the classes of the chosen units, the one with the most pixels
  function target() {
    const own = [...new Set([...chosen].map(unit => editor.state.numbers[unit]))].filter(Boolean);
    return own.length ? own.reduce((best, other) => weight(other) > weight(best) ? other : best) : null;
  }

  const share = wanted => about.shares && editor.unitsOf(wanted).reduce((sum, unit) => sum + about.shares[unit], 0);
  const weight = wanted => share(wanted) ?? editor.unitsOf(wanted).length;

  function show(state) {
    const focused = document.activeElement?.dataset?.edits;
    editor.state = state;
    const used = new Set(editor.used);
    for (const gone of editor.hidden) if (!used.has(gone)) editor.hidden.delete(gone);
    showRows(used, Boolean(state.error));
    at("class-table").hidden = !used.size;
    at("no-classes").hidden = used.size > 0;
    at("undo").disabled = !state.undo;
    at("group").hidden = at("writing").hidden = at("count-label").hidden = !state.actions;
    at("write").disabled = !used.size;
    at("problem").textContent = state.problem ?? "";
    if (focused && document.activeElement?.dataset?.edits !== focused) document.querySelector(`[data-edits="${CSS.escape(focused)}"]`)?.focus();
    showChosen();
    changed();
  }

  // Rows that show the same stay, with what is being typed into them; after a refused change all are made again.
  function showRows(used, isRefused) {
    for (const [wanted, { element }] of rows) {
      if (used.has(wanted)) continue;
      element.remove();
      rows.delete(wanted);
    }
    let before = null;
    for (const wanted of used) {
      const key = JSON.stringify([editor.name(wanted), editor.state.colors[wanted - 1], editor.unitsOf(wanted)]);
      const old = rows.get(wanted);
      if (!old || old.key !== key || isRefused) {
        const element = row(wanted);
        if (old) old.element.replaceWith(element);
        else if (before) before.after(element);
        else at("class-rows").prepend(element);
        rows.set(wanted, { key, element });
      }
      before = rows.get(wanted).element;
    }
  }

  function row(wanted) {
    const name = editor.name(wanted), units = editor.unitsOf(wanted), color = editor.state.colors[wanted - 1];
    const part = share(wanted), data = kind => ({ data: { edits: `${kind}-${wanted}` } });
    const shown = make("input", {
      type: "checkbox", checked: !editor.hidden.has(wanted), label: `Show ${name}`, ...data("shown"),
      onchange: event => {
        editor.hidden[event.target.checked ? "delete" : "add"](wanted);
        changed();
      },
    });
    const paint = make("input", {
      type: "color", value: color, label: `Color of ${name}`, ...data("color"),
      onchange: event => change({ edit: "color", class: wanted, color: event.target.value }),
    });
    const title = make("input", {
      type: "text", value: name, maxLength: 200, autocomplete: "off", dir: "auto", label: `Name of class ${wanted}`, ...data("name"),
      onchange: ({ target: field }) => {
        if (field.value.trim()) change({ edit: "name", class: wanted, name: field.value });
        else field.value = name;
      },
    });
    const pick = make("button", {
      type: "button", textContent: plural(units.length, "unit"), label: `Choose the ${plural(units.length, "unit")} of ${name}`,
      onclick: event => choose(units, event), ...data("choose"),
    });
    return make("tr", { data: { class: wanted } }, make("td", {}, shown), make("td", {}, paint),
      make("th", { scope: "row" }, title), make("td", {}, pick),
      make("td", { textContent: part === null ? "" : percent(part) }));
  }

  function showChosen() {
    const classes = new Set([...chosen].map(unit => editor.state.numbers[unit]));
    const named = [...classes].filter(Boolean).length;
    at("chosen").textContent = !chosen.size ? "No unit is chosen"
      : `${plural(chosen.size, "unit")}${named ? ` of ${plural(named, "class")}` : ""} chosen`;
    at("make").disabled = !chosen.size;
    at("merge").disabled = classes.size < 2 || target() === null;
    at("move").disabled = at("target").disabled = !chosen.size;
    const kept = at("target").value, used = editor.used, key = JSON.stringify(used.map(wanted => [wanted, editor.name(wanted)]));
    if (key === targets) return;
    targets = key;
    at("target").replaceChildren(...used.map(wanted => make("option", { value: wanted, textContent: editor.name(wanted) })),
      make("option", { value: 0, textContent: "No class" }));
    if (used.includes(Number(kept))) at("target").value = kept;
  }

  function showWriting({ state, share: done, lines }) {
    at("written").hidden = state !== "running";
    at("written").value = done;
    if (state !== seenWriting && state !== "running") {
      at("saved").textContent = state === "done" ? `Written: ${lines.join("; ")}` : "";
      if (state === "failed") say(`Classes were not written: ${lines.join(" ")}`);
    }
    seenWriting = state;
    return state === "running";
  }

  at("undo").onclick = editor.undo;
  at("make").onclick = editor.make;
  at("merge").onclick = editor.merge;
  at("move").onclick = () => change({ edit: "units", units: [...chosen], class: Number(at("target").value) });
  at("group").onclick = () => change({ edit: "group", count: at("count").value ? Number(at("count").value) : "auto" });
  at("write").onclick = () => {
    const fields = [at("smooth"), at("min-area")], [smooth, least] = fields.map(field => Number(field.value));
    if (!fields.every(field => field.reportValidity())) return null;
    seenWriting = "idle";
    at("saved").textContent = `Writing ${number(about.width * about.height)} pixels …`;
    return change({ edit: "write", smooth, min_area: least });
  };
  show(editor.state);
  return editor;
}
