# Continues surrender.py.


class Sandbox(Surrendering):
    """The first process, from then on."""

    spent, used, alone = 0.0, 0.0, True

    def watch(self, child: int) -> None:
        """Waits for the worker's end and looks at what the function uses. It does not return."""
        os.close(CHANNEL)
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.set_blocking(CONTROL, False)
        before = base = 0.0
        look = time.monotonic() + LONGEST_PAUSE
        while True:
            info = _signal.sigtimedwait(SIGNALS, max(0, look - time.monotonic()))
            if info is not None and info.si_signo == _signal.SIGTERM:
                self.end("")
            self.reap(child)
            began = time.monotonic()
            if began < look:
                continue
            used, memory, count = self.usage(child)
            if self.called():
                base = used
            if count > self.limit("processes"):
                self.end("limit processes")  # should the kernel not have counted them
            if memory > self.limit("memory") + SLACK:
                self.end("limit memory")
            if used - base > float(self.settings["cpu"]):
                self.end("limit cpu")
            now = time.monotonic()
            look = now + max(now - began, self.pause(memory, count > 1 or used > before))
            before = used

    def pause(self, memory: int, busy: bool) -> float:
        """Returns for how many seconds a function can be left alone: memory is taken at GROWTH at
        most for each processor, by as many processes as there may be."""
        if not busy:
            return LONGEST_PAUSE
        left = self.limit("memory") + SLACK - memory
        return min(max(left / (GROWTH * self.processors), SHORTEST_PAUSE), LONGEST_PAUSE)

    def reap(self, child: int) -> None:
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if ended == 0:
                return
            if ended == child:
                self.end("ended %d" % status)

    def called(self) -> bool:
        """Reports whether calls began since the last look."""
        try:
            marks = os.read(CONTROL, 1 << 16)
        except BlockingIOError:
            return False
        if not marks:
            self.end("")
        return True

    def usage(self, child: int) -> "tuple[float, int, int]":
        """Returns seconds of processor time, bytes of memory and the number of processes."""
        spent = process_time(child)
        if not self.listed and self.alone and spent == self.spent:
            return self.used, 0, 1  # what follows goes through all that the host runs
        self.spent = spent
        ended = os.times()
        used, pages, family = ended.children_user + ended.children_system, 0, self.family()
        if not family:
            return max(spent, 0.0), 0, 1
        for fields in family.values():
            used += sum(int(field) for field in fields[11:15]) / self.ticks
            pages += int(fields[21])
        memory = pages * self.page
        if len(family) > 1 and memory > self.limit("memory"):
            memory = sum(self.proportional(name, int(fields[21]) * self.page) for name, fields in family.items())
        self.used, self.alone = used, len(family) <= 1
        return used, memory + self.buffered() + self.locked(), len(family)

    def statistics(self) -> "dict[str, list[bytes]]":
        """Returns the fields of /proc/*/stat from the state on, by the number of the process."""
        found = {}
        for name in os.listdir(self.table) if self.table >= 0 else []:
            if name.isdigit():
                fields = self.look(name + "/stat").rsplit(b")", 1)[-1].split()
                if fields:
                    found[name] = fields
        return found

    def family(self) -> "dict[str, list[bytes]]":
        """Returns what the kernel tells of each process of the function."""
        found = self.statistics()
        if not found:
            return found
        me = os.readlink("self", dir_fd=self.table)
        mine, grown = {me}, True
        while grown and not self.listed:
            more = {name for name, fields in found.items() if fields[1].decode() in mine}
            grown = not more <= mine
            mine |= more
        return {name: found[name] for name in (found if self.listed else mine) if name != me}

    def proportional(self, process: str, resident: int) -> int:
        """Returns the memory of a process, less what it shares with others."""
        for line in self.look(process + "/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
        return resident

    def buffered(self) -> int:
        """Returns what the sockets of the function may hold at most, which the kernel counts for
        nobody. Those that wait to be accepted are on its list too."""
        total = 0
        for line in self.look("self/net/unix").splitlines()[1:] if self.first else []:
            total += DATAGRAMS if line.split(None, 5)[4:5] == [b"0002"] else 1
        return total * self.buffer

    def locked(self) -> int:
        """Returns what the locks of parts of files count for, of which there may be any number."""
        if self.locks < 0:
            return 0
        os.lseek(self.locks, 0, os.SEEK_SET)
        total = 0
        while total * LOCK <= self.limit("memory") + SLACK:
            lines = os.read(self.locks, 1 << 16)
            if not lines:
                break
            total += lines.count(b"\n")
        return total * LOCK

    def look(self, path: str) -> bytes:
        """Returns a file of /proc, or nothing."""
        try:
            with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.table), "rb") as file:
                return file.read()
        except OSError:
            return b""

    def end(self, how: str) -> None:
        """Ends all that the function started. In a process namespace the kernel sees to it."""
        if not self.first:
            self.hunt()
        try:
            os.write(CONTROL, how.encode() + b"\n")
        except OSError:
            pass
        os._exit(0)

    def hunt(self) -> None:
        """Kills the children, and those that become so because their parents end."""
        while True:
            mine = str(os.getpid()).encode()
            children = [int(name) for name, fields in self.statistics().items() if fields[1] == mine]
            if not children:
                return
            for child in children:
                try:
                    os.kill(child, _signal.SIGKILL)
                    os.waitpid(child, 0)
                except OSError:
                    return


def process_time(process: int) -> float:
    try:
        return time.clock_gettime(~process << 3 | 2)
    except OSError:
        return -1.0


def close_inherited() -> None:
    """A host may have descriptors that its children inherit, which are none of a function's business."""
    try:
        inherited = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        inherited = list(range(1 << 12))
    for descriptor in inherited:
        if descriptor > CONTROL:
            try:
                os.close(descriptor)
            except OSError:
                pass


def restore_signals() -> None:
    """A host may ignore signals that are relied on; that would be inherited."""
    for number in (_signal.SIGCHLD, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_DFL)


def main() -> None:
    source = sys.argv[1]
    settings = dict(argument.split("=", 1) for argument in sys.argv[2:])
    close_inherited()
    restore_signals()
    if sys.platform.startswith("linux"):
        _signal.pthread_sigmask(_signal.SIG_BLOCK, SIGNALS)
        sandbox = Sandbox(settings)
        if settings["namespaces"] == "":
            sandbox.missing.append("namespaces (%s)" % settings["refused"])
        sandbox.prepare()
        child = os.fork()
        if child != 0:
            sandbox.watch(child)
        sandbox.become()
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, SIGNALS)
    else:
        os.write(CONTROL, b"missing everything (needs Linux)\nready\n")
        os.close(CONTROL)
    for name in set(sys.modules) - LOADED:
        del sys.modules[name]
    sys.argv = ["-c", settings["output"], settings["folder"] + "/function"]
    exec(compile(source, "<worker>", "exec"), {"__name__": "__worker__"})


try:
    main()
except BaseException as error:
    try:
        os.write(CONTROL, b"failed " + ascii(error).encode() + b"\n")
    except OSError:
        pass
    os._exit(70)
