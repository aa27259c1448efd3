// Pictures to integers 0 to 255, as the network takes them: rows of pixels, 1 or 3 channels.

/** Cut to the middle and averaged over areas, which changes nothing where the size is right. */
export function toPixels(source, wide, high, {width, height, channels}) {
  const across = Math.max(1, Math.min(wide, Math.floor(high * width / height)));
  const down = Math.max(1, Math.min(high, Math.floor(wide * height / width)));
  const left = Math.floor((wide - across) / 2);
  const top = Math.floor((high - down) / 2);
  const canvas = document.createElement('canvas');
  canvas.width = across;
  canvas.height = down;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.fillStyle = '#fff'; // what is transparent lies on white
  context.fillRect(0, 0, across, down);
  context.drawImage(source, left, top, across, down, 0, 0, across, down);
  const rgba = context.getImageData(0, 0, across, down).data;
  return inChannels(averaged(rgba, across, down, width, height), channels);
}

/** Means over areas of RGBA bytes, rounded half up: bytes of RGB. */
export function averaged(rgba, across, down, width, height) {
  const out = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [y0, y1] = part(y, height, down);
      const [x0, x1] = part(x, width, across);
      const area = (y1 - y0) * (x1 - x0);
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let j = y0; j < y1; j++) {
          for (let i = x0; i < x1; i++) sum += rgba[4 * (j * across + i) + c];
        }
        out[3 * (y * width + x) + c] = Math.floor((2 * sum + area) / (2 * area));
      }
    }
  }
  return out;
}

function part(index, parts, of) {
  const start = Math.floor(index * of / parts);
  return [start, Math.max(start + 1, Math.floor((index + 1) * of / parts))];
}

/** RGB as it is, or its ITU-R 601 luma in Pillow's integers. */
export function inChannels(rgb, channels) {
  if (channels === 3) return rgb;
  const out = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < out.length; i++) {
    const [r, g, b] = rgb.subarray(3 * i, 3 * i + 3);
    out[i] = (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
  }
  return out;
}

/** Shows integers 0 to 255 on a canvas of as many pixels. */
export function show(canvas, pixels, {width, height, channels}) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = pixels[channels === 3 ? 3 * i + c : i];
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}
