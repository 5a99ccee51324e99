// Images that are attached: checked by decoding them, made smaller when they are larger than a model can use.
import { bytes as sized } from "../lib/format";
import { newKey, type Thread } from "./thread";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const MAX_PIXELS = 40e6;
const MAX_BYTES = 1e6;      // above it, or wider than MAX_SIDE, the image is drawn again: eight of them fit into a question
const MAX_SIDE = 2048;
const MAX_IMAGES = 8;

export const ACCEPT = TYPES.join(",");

export async function attach(thread: Thread, files: Iterable<File>): Promise<void> {
  thread.refused.value = null;
  for (const file of files) {
    const name = file.name || "pasted image";
    if (thread.images.value.length >= MAX_IMAGES) {
      thread.refused.value = { name, why: `A question carries at most ${MAX_IMAGES} images.` };
      return;
    }
    try {
      const blob = await checked(file);
      thread.images.value = [...thread.images.value, { key: newKey(), name, bytes: blob.size, uri: await dataUri(blob) }];
    } catch (error) {
      thread.refused.value = { name, why: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function checked(file: File): Promise<Blob> {
  const readable = "PNG, JPEG or WebP, up to 40 megapixels.";
  if (!TYPES.includes(file.type)) throw new Error(readable);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`It does not decode. ${readable}`);
  }
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) throw new Error(`It has ${Math.round((width * height) / 1e6)} megapixels. ${readable}`);
    if (file.size <= MAX_BYTES && Math.max(width, height) <= MAX_SIDE) return file;
    const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
    const pen = canvas.getContext("2d")!;
    pen.fillStyle = "white";  // as the server shows what is transparent
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
  } finally {
    bitmap.close();
  }
}

function dataUri(blob: Blob): Promise<string> {
  return new Promise((resolve, fail) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => fail(new Error(`The file (${sized(blob.size)}) could not be read.`));
    reader.readAsDataURL(blob);
  });
}

export const imagesOf = (data: DataTransfer | null): File[] => [...(data?.files ?? [])];
