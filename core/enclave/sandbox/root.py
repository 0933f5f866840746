# Continues kernel.py.


def needed() -> "list[str]":
    """What the interpreter runs from: folders and files, none of which is below another."""
    paths = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    paths.update(sys.path)
    if sys.executable:
        paths.add(os.path.dirname(os.path.realpath(sys.executable)))
    for name, module in list(sys.modules.items()):  # of packages that are installed as they lie
        if name.startswith("__editable__"):
            paths.update(getattr(module, "MAPPING", {}).values())
    with open("/proc/self/maps", "rb") as maps:
        for line in maps:
            path = os.fsdecode(line.rstrip(b"\n").split(b" ", 5)[-1].strip())
            if path.startswith("/") and ".so" in os.path.basename(path):
                paths.add(os.path.dirname(path))
    paths = {os.path.normpath(path) for path in paths if path.startswith("/")}
    paths.update([os.path.realpath(path) for path in paths])
    paths.difference_update(TOO_WIDE)
    paths.update(SYSTEM)
    kept: "list[str]" = []
    for path in sorted(paths, key=len):
        if os.path.lexists(path) and not any(path.startswith(other + "/") for other in kept):
            kept.append(path)
    return kept


def open_table() -> int:
    try:
        return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1


class Settings:
    def __init__(self, settings: "dict[str, str]") -> None:
        self.settings = settings
        self.folder = settings["folder"]  # of this worker alone
        self.uid = int(settings["uid"])  # 0: there is no other
        self.withheld = settings["withheld"].split(",")
        self.missing: "list[str]" = []
        self.kernel = Kernel(settings["mounts"] if settings["namespaces"] != "" else "")
        self.first = os.getpid() == 1
        self.rooted = False
        self.listed = False  # /proc has the processes of this sandbox, and no others
        self.table = -1  # a descriptor of /proc that the function must not get
        self.locks = -1  # one of the list of locks
        self.readable = needed()
        self.ticks = os.sysconf("SC_CLK_TCK")
        self.page = os.sysconf("SC_PAGE_SIZE")
        self.processors = os.cpu_count() or 1
        self.buffer = DEFAULT_BUFFER
        try:
            with open("/proc/sys/net/core/wmem_default") as size:
                self.buffer = int(size.read())
        except (OSError, ValueError):
            pass

    def limit(self, name: str) -> int:
        return int(self.settings[name])

    def layer(self, name: str, apply: "Callable[[], None]") -> bool:
        """Applies a layer, and notes when it is not to be had."""
        try:
            if name in self.withheld:
                raise Refused("withheld")
            apply()
            return True
        except (Refused, OSError, ValueError) as error:
            self.missing.append("%s (%s)" % (name, error))
            return False

    def tell(self) -> None:
        for layer in self.missing:
            os.write(CONTROL, b"missing " + os.fsencode(layer.replace("\n", " ")) + b"\n")
        self.missing = []


class Rooted(Settings):
    """The first process, which makes the root."""

    def prepare(self) -> None:
        try:
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("1000")  # should memory run out, functions go first
        except OSError:
            pass
        self.table = open_table()  # of the host's processes, among which are the function's
        self.rooted = self.layer("private root", self.root)
        if self.listed:
            os.close(self.table)
            self.table = open_table()
        if not self.first:
            self.kernel.prctl("subreaper", PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))

    def root(self) -> None:
        """Makes a file system in memory the root, in which there is what the interpreter needs."""
        if not self.first:  # no namespaces were granted: every mount would be the host's own
            raise Refused("there is no mount namespace of its own")
        kernel, top = self.kernel, self.folder + "/root"
        kernel.must_be_apart()
        kernel.mount("none", "/", "", MS_REC | MS_PRIVATE)
        sizes = "mode=755,size=%d,nr_inodes=%d" % (self.limit("files"), self.limit("inodes"))
        os.mkdir(top)
        kernel.mount("libcape", top, "tmpfs", MS_NOSUID | MS_NODEV, sizes)
        os.umask(0o022)
        for path in self.readable:
            if os.path.islink(path):
                os.makedirs(os.path.dirname(top + path), exist_ok=True)
                os.symlink(os.readlink(path), top + path)
            else:
                kernel.bind(path, top + path)
                kernel.protect(top + path)
        os.mkdir(top + "/dev")
        for name in DEVICES:
            kernel.bind("/dev/" + name, top + "/dev/" + name)
            kernel.protect(top + "/dev/" + name, MS_NOEXEC)  # its times are the host's
        for link, to in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
            os.symlink("/proc/self/" + to, top + "/dev/" + link)
        for name in ("/tmp", "/dev/shm"):
            os.makedirs(top + name, exist_ok=True)
            os.chmod(top + name, 0o1777)
        os.makedirs(top + self.folder, exist_ok=True)
        for name in ("/function", "/home"):
            os.mkdir(top + self.folder + name)
        if os.path.exists(self.folder + "/rpc.sock"):
            kernel.bind(self.folder + "/rpc.sock", top + self.folder + "/rpc.sock")
        os.makedirs(top + "/etc", exist_ok=True)
        with open(top + "/etc/passwd", "w") as users, open(top + "/etc/group", "w") as groups:
            users.write("function:x:%d:%d::%s:/bin/sh\n" % (self.uid, self.uid, self.folder + "/home"))
            groups.write("function:x:%d:\n" % self.uid)
        os.mkdir(top + "/proc")
        if self.first:
            self.listed = self.layer("private /proc", self.proc)
        os.chdir(top)
        kernel.change_root()
        os.chdir("/")

    def proc(self) -> None:
        target, flags = self.folder + "/root/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC
        try:  # what is not of processes is for this process alone
            self.kernel.mount("proc", target, "proc", flags)
            self.locks = os.open(target + "/locks", os.O_RDONLY | os.O_CLOEXEC)
            self.kernel.unmount(target)
        except (Refused, OSError):
            pass
        try:
            self.kernel.mount("proc", target, "proc", flags, "hidepid=2,subset=pid")
        except Refused:
            self.kernel.mount("proc", target, "proc", flags, "hidepid=2")
