// White ink on black, by pointer or by keyboard.

const INK = 22;
const STEP = 8;
const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

/** Calls `changed(canvas)` after every stroke. */
export function listenToDrawing(canvas, clear, changed) {
  const context = canvas.getContext('2d', {willReadFrequently: true});
  let last = null;
  let pen = [canvas.width / 2, canvas.height / 2];
  const wipe = () => {
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  const line = (from, to) => {
    Object.assign(context, {strokeStyle: '#fff', lineWidth: INK, lineCap: 'round'});
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width,
      (event.clientY - box.top) * canvas.height / box.height];
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
  };
  canvas.onpointermove = (event) => {
    if (!last) return;
    const next = place(event);
    line(last, next);
    last = next;
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (last) changed(canvas);
    last = null;
  };
  // The arrows move the pen; with Shift they draw a line; space draws a point.
  canvas.onkeydown = (event) => {
    const move = MOVES[event.key];
    if (!move && event.key !== ' ') return;
    event.preventDefault();
    const next = move ? pen.map((at, i) => Math.min(Math.max(at + STEP * move[i], 0), canvas.width)) : pen;
    if (!move || event.shiftKey) {
      line(pen, next);
      changed(canvas);
    }
    pen = next;
  };
  clear.onclick = () => { wipe(); changed(canvas); };
  wipe();
}
