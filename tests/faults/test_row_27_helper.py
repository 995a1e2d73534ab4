"""Row 27: a helper process dies. The kit has none: what dies is the receiver beside it."""

import psutil


def test_no_process_of_its_own(run, judge):
    """The kit starts no process that could die, hang or be left as a zombie; its receiver's death is row 1."""
    children = []

    def kill(attacked):
        attacked.sink.kill()
        children.extend(psutil.Process(attacked.service.program.pid).children(recursive=True))

    record = run(kill, lambda attacked: attacked.sink.start())
    judge("the receiver beside the service killed", record, f"; {len(children)} processes started by the kit")
    assert children == []
