"""Row 4: the context goes wherever a request's work goes."""

import signal

SERVICE = """
import asyncio, logging, threading
from concurrent.futures import ThreadPoolExecutor
import anyio
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse, StreamingResponse
from instrumentation import instrument, span

app = FastAPI()
instrument(app, service_name="hops")
pool = ThreadPoolExecutor(2)
class Refused(Exception): pass

def work(hop):
    with span(hop):
        logging.getLogger("hops").info(hop)

async def work_async(hop):
    work(hop)

@app.get("/sync_endpoint")
def sync_endpoint():
    work("sync_endpoint")

@app.get("/thread_pool")
async def thread_pool():
    await asyncio.wrap_future(pool.submit(work, "thread_pool"))

@app.get("/thread_pool_map")
async def thread_pool_map():
    list(pool.map(work, ["thread_pool_map"]))

@app.get("/to_thread")
async def to_thread():
    await asyncio.to_thread(work, "to_thread")

@app.get("/run_in_executor")
async def run_in_executor():
    await asyncio.get_running_loop().run_in_executor(None, work, "run_in_executor")

@app.get("/own_executor")
async def own_executor():
    await asyncio.get_running_loop().run_in_executor(pool, work, "own_executor")

@app.get("/thread")
async def thread():
    started = threading.Thread(target=work, args=("thread",))
    started.start()
    await asyncio.to_thread(started.join)

class Worker(threading.Thread):
    def run(self):
        work("thread_subclass")

@app.get("/thread_subclass")
async def thread_subclass():
    started = Worker()
    started.start()
    await asyncio.to_thread(started.join)

@app.get("/timer")
async def timer():
    started = threading.Timer(0.001, work, ("timer",))
    started.start()
    await asyncio.to_thread(started.join)

@app.get("/anyio_thread")
async def anyio_thread():
    await anyio.to_thread.run_sync(work, "anyio_thread")

@app.get("/background_task")
async def background_task(tasks: BackgroundTasks):
    tasks.add_task(work, "background_task")

@app.get("/background_task_async")
async def background_task_async(tasks: BackgroundTasks):
    tasks.add_task(work_async, "background_task_async")

@app.get("/task_group")
async def task_group():
    async with asyncio.TaskGroup() as group:
        group.create_task(work_async("task_group"))

@app.get("/anyio_task_group")
async def anyio_task_group():
    async with anyio.create_task_group() as group:
        group.start_soon(work_async, "anyio_task_group")

@app.get("/callback")
async def callback():
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, lambda: (work("callback"), done.set()))
    await done.wait()

@app.get("/async_generator")
async def async_generator():
    async def parts():
        work("async_generator")
        yield "part"
    return StreamingResponse(parts())

@app.get("/sync_generator")
async def sync_generator():
    def parts():
        work("sync_generator")
        yield "part"
    return StreamingResponse(parts())

@app.get("/exception_handler")
async def exception_handler():
    raise Refused

@app.exception_handler(Refused)
async def refused(request, error):
    work("exception_handler")
    return PlainTextResponse("refused", 409)

@app.get("/handler_500")
async def handler_500():
    raise RuntimeError("no good")

@app.exception_handler(Exception)
async def failed(request, error):
    work("handler_500")
    return PlainTextResponse("failed", 500)
"""

HOPS = [
    "sync_endpoint",
    "thread_pool",
    "thread_pool_map",
    "to_thread",
    "run_in_executor",
    "own_executor",
    "thread",
    "thread_subclass",
    "timer",
    "anyio_thread",
    "background_task",
    "background_task_async",
    "task_group",
    "anyio_task_group",
    "callback",
    "async_generator",
    "sync_generator",
    "exception_handler",
    "handler_500",
]


def test_context_goes_along_with_every_hop(serve_program, fetch, otlp_sink, plain):
    """In each hop the child span's parent is the request's span, and the stdlib log line has the child's ids.

    Each is asked for twice, so that a thread which is used again is seen to take the second request's context.
    """
    process, url = serve_program(SERVICE)
    fetch(f"{url}/openapi.json")
    for _ in range(2):
        for hop in HOPS:
            _ask(f"{url}/{hop}")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    spans, logs = otlp_sink.records("traces"), otlp_sink.records("logs")
    servers = {span.span_id: span.name for span in spans if span.kind == 2}
    found = {
        hop: [
            (servers.get(span.parent_span_id), log.trace_id == span.trace_id)
            for span in spans
            for log in logs
            if span.name == log.body.string_value == hop and log.span_id == span.span_id
        ]
        for hop in HOPS
    }
    assert found == {hop: [(f"GET /{hop}", True)] * 2 for hop in HOPS}, err
    by_parent = {span.parent_span_id for span in spans if span.name in HOPS}
    assert len(by_parent) == 2 * len(HOPS)


def _ask(url):
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(url, timeout=20).read()
    except urllib.error.HTTPError as answer:
        answer.close()
