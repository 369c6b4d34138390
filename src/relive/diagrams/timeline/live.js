// The page while sessions run: what happens is told by the server that it came from.

const EACH = 120; // ms between two looks at the news

/** Take in what was told since the last time, and go on looking at the end if that was looked at. */
function takeIn(run, news, now) {
  const atEnd = ui.cursor.t >= run.end;
  const whole = ui.view.a <= 0 && ui.view.b >= run.end;
  const { a, b } = ui.view;
  const clients = run.clients.size;
  const before = run.rows.length;
  for (const { t, client, conn, kind, what, data: details } of news) {
    const last = run.rows[run.rows.length - 1]?.[0] ?? 0;
    if (kind !== "flow") run.told += 1;
    run.add([kind === "flow" ? t : Math.max(t, last), client, conn, kind, what, details]);
    if (kind === "session") run.client(client).name = what;
  }
  run.end = Math.max(run.end, now);
  if (ui.client === run.shared && run.clients.size) ui.client = run.clients.values().next().value;
  if (clients !== run.clients.size) fillPickers();
  if (run.rows.length !== before) {
    arrange();
    fillLegend();
  }
  fillFacts();
  if (whole) ui.view = { a: 0, b: Math.max(run.end, 1e-3) };
  else if (atEnd) look(run.end - (b - a), run.end);
  if (atEnd) go(run.end);
  redraw(ALL);
}

/** Listen to the server for as long as it is there. */
function listen(url) {
  const run = runs[0];
  const label = $("live");
  const source = new EventSource(url);
  let news = [];
  let now = 0;
  let due = 0;
  const later = () => {
    due ||= setTimeout(() => {
      due = 0;
      const taken = news;
      news = [];
      takeIn(run, taken, now);
    }, EACH);
  };
  const say = (text, over) => {
    label.hidden = false;
    label.textContent = text;
    label.classList.toggle("over", over);
  };
  source.addEventListener("open", () => say("live", false));
  source.addEventListener("message", (event) => {
    news.push(JSON.parse(event.data));
    later();
  });
  source.addEventListener("now", (event) => {
    now = Number(event.data);
    later();
  });
  source.addEventListener("end", (event) => {
    now = Number(event.data);
    later();
    source.close();
    say("ended", true);
  });
  source.addEventListener("error", () => say("no connection", true));
}

if (data.live) listen(data.live);
