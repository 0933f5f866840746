# Continues surrender.py.


class Sandbox(Surrendering):
    """The first process, from then on."""

    def watch(self, child: int) -> None:
        """Waits for the worker's end and looks at what the function uses. It does not return."""
        os.close(CHANNEL)
        nothing = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.set_blocking(CONTROL, False)
        before = base = 0.0
        pause = IDLE_PAUSE
        look = time.monotonic() + pause
        while True:
            info = _signal.sigtimedwait(SIGNALS, max(0, look - time.monotonic()))
            if info is not None and info.si_signo == _signal.SIGTERM:
                self.end("")
            self.reap(child)
            if time.monotonic() < look:
                continue
            used, memory, count = self.usage(child)
            if self.called():
                base = used
            if used - base > float(self.settings["cpu"]):
                self.end("limit cpu")
            if count > self.limit("processes"):
                self.end("limit processes")  # should the kernel not have counted them
            if memory > self.limit("memory") + SLACK:
                self.end("limit memory")
            pause = BUSY_PAUSE if count > 1 or used > before else IDLE_PAUSE
            before = used
            look = time.monotonic() + pause

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
        if not self.listed:
            try:
                return time.clock_gettime(~child << 3 | 2), 0, 1
            except OSError:
                return 0.0, 0, 1
        spent = os.times()
        used, pages, names = spent.children_user + spent.children_system, 0, []
        for name in os.listdir("/proc"):
            if not name.isdigit() or name == "1":
                continue
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except OSError:
                continue
            names.append(name)
            used += sum(int(field) for field in fields[11:15]) / self.ticks
            pages += int(fields[21])
        memory = pages * self.page
        if len(names) > 1 and memory > self.limit("memory"):
            memory = sum(proportional(name) for name in names)  # what they share was counted for each
        return used, memory, len(names)

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
            children = offspring(os.getpid())
            if not children:
                return
            for child in children:
                try:
                    os.kill(child, _signal.SIGKILL)
                    os.waitpid(child, 0)
                except OSError:
                    return


def offspring(parent: int) -> "list[int]":
    children = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/" + name + "/stat", "rb") as file:
                if name.isdigit() and int(file.read().rsplit(b")", 1)[1].split()[1]) == parent:
                    children.append(int(name))
        except OSError:
            pass
    return children


def proportional(process: str) -> int:
    try:
        with open("/proc/" + process + "/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def restore_signals() -> None:
    """A host may ignore signals that are relied on; that would be inherited."""
    for number in (_signal.SIGCHLD, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_DFL)


def main() -> None:
    source = sys.argv[1]
    settings = dict(argument.split("=", 1) for argument in sys.argv[2:])
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
