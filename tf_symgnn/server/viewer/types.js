// Asks which elements the numbered types of a file are. A wrong guess would give barriers that look right.
const $ = (id) => document.getElementById(id);

/** Returns the numbers of types whose symbols the server asks for by its message, or null for another message. */
export function unnamedTypes(message) {
  const found = message.match(/types \[([\d, ]+)\] without names/);
  return found && found[1].split(",").map(Number);
}

/** Asks for the symbol of each type of a file; returns those of types 1, 2, ..., or null if the user cancels. */
export function askTypes(name, types, species) {
  $("numbered").textContent = name;
  $("choices").replaceChildren(...types.map((type) => {
    const [label, choice] = [document.createElement("label"), document.createElement("select")];
    choice.required = true;
    choice.dataset.type = type;
    choice.append(new Option("", ""), ...species.map((symbol) => new Option(symbol, symbol)));
    label.append(`type ${type} `, choice);
    return label;
  }));
  $("types").hidden = false;
  $("choices").querySelector("select").focus();
  return new Promise((answer) => {
    const end = (symbols) => { $("types").hidden = true; answer(symbols); };
    $("cancel").onclick = () => end(null);
    $("types").onsubmit = (event) => {
      event.preventDefault();
      // Numbers that the file does not have need a symbol, too, which no atom gets.
      const symbols = new Array(Math.max(...types)).fill(species[0]);
      for (const choice of $("choices").querySelectorAll("select")) symbols[choice.dataset.type - 1] = choice.value;
      end(symbols);
    };
  });
}
