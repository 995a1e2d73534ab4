// Import the file of a run from the page that lists runs.
const input = document.getElementById("run-file");
const progress = document.getElementById("run-progress");

function send(file) {
  const request = new XMLHttpRequest(); // fetch does not tell how much was sent
  request.open("POST", "/runs/import");
  request.setRequestHeader("Content-Type", "application/gzip");
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    progress.textContent = `Importing ${file.name}: ${Math.round((100 * event.loaded) / Math.max(event.total, 1))} %`;
  });
  request.addEventListener("load", () => {
    if (request.status === 200) location.href = request.response.url;
    else progress.textContent = request.response?.error ?? `The console answered ${request.status}.`;
  });
  request.addEventListener("error", () => { progress.textContent = "The console did not answer."; });
  request.send(file);
}

input?.addEventListener("change", () => input.files[0] && send(input.files[0]));
