# Continues root.py.


class Surrendering(Rooted):
    """The child, before it is the worker."""

    def become(self) -> None:
        for descriptor in (self.table, self.locks):
            if descriptor >= 0:
                os.close(descriptor)
        os.setsid()
        self.layer("limits", self.limits)
        self.layer("no_new_privs", self.no_new_privileges)
        other = self.uid != 0 and self.layer("another user", self.reachable)
        if self.uid == 0 and self.settings["root"] == "1":
            self.missing.append("another user (there is none but root here)")
        self.layer("no capabilities", lambda: self.surrender(other))
        self.kernel.prctl("dumpable", PR_SET_DUMPABLE, ctypes.c_ulong(1))
        self.kernel.prctl("death signal", PR_SET_PDEATHSIG, ctypes.c_ulong(_signal.SIGKILL))
        self.layer("limit of processes", lambda: self.processes(other))
        os.umask(0o077)
        self.layer("landlock", self.landlock)
        self.layer("seccomp", self.filter)
        self.tell()
        os.write(CONTROL, b"ready\n")
        os.close(CONTROL)

    def no_new_privileges(self) -> None:
        self.kernel.prctl("prctl", PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))

    def limits(self) -> None:
        memory = self.limit("memory")
        for kind, value in (
            (resource.RLIMIT_CORE, 1),  # no file, as 0, and no program of the host that takes dumps, unlike 0
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_AS, 4 * memory),
            (resource.RLIMIT_FSIZE, self.limit("files")),
            (resource.RLIMIT_NOFILE, self.limit("descriptors")),
            (resource.RLIMIT_MEMLOCK, 64 << 10),
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_SIGPENDING, self.limit("processes")),  # and timers; all count as the enclave's user's too
            (resource.RLIMIT_NICE, 0),
            (resource.RLIMIT_RTPRIO, 0),
        ):
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))

    def processes(self, other: bool) -> None:
        """Must come after the user was changed, since it counts those of a user."""
        version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2] if part.isdigit())
        if not other and (self.settings["namespaces"] != "user" or version < (5, 14) or os.getuid() != 0):
            raise Refused("it would count everything that this user runs")
        count = self.limit("processes")
        resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
        if not other and self.settings["root"] == "1":
            raise Refused("the kernel does not count those of root")

    def reachable(self) -> None:
        """Refuses a user who cannot read the interpreter."""
        self.own(self.uid)
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            hidden = [path for path in self.looked_at() if not os.access(path, os.R_OK, effective_ids=True)]
        finally:
            os.seteuid(0)
            os.setegid(0)
        for path in hidden:
            if os.path.exists(path):
                self.own(0)
                raise Refused("%s cannot be read by others" % path)

    def own(self, user: int) -> None:
        for name in ("/function", "/home") if self.rooted else ("", "/function", "/home"):
            os.chown(self.folder + name, user, user)

    def looked_at(self) -> "list[str]":
        """The interpreter's folders and what is directly in them, for the rest would take long."""
        paths = [sys.prefix, sys.base_prefix, self.folder + "/function"]
        for folder in [path for path in sys.path if path.startswith("/")]:
            paths.append(folder)
            try:
                paths += [os.path.join(folder, name) for name in os.listdir(folder)]
            except OSError:
                pass
        return paths

    def surrender(self, other: bool) -> None:
        kernel, refused = self.kernel, ""
        try:
            kernel.prctl("secure bits", PR_SET_SECUREBITS, ctypes.c_ulong(NO_ROOT_LOCKED))
            for capability in range(64):
                if kernel.libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), *[ctypes.c_ulong(0)] * 3) < 0:
                    break
        except Refused as error:
            refused = str(error)  # without capabilities there is nothing to give up
        if other:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
        kernel.check(kernel.libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")
        if refused and os.getuid() == 0:
            raise Refused(refused)

    def landlock(self) -> None:
        """Shuts out files, ports, and processes other than the function's own."""
        kernel, null = self.kernel, ctypes.c_void_p(None)
        version = kernel.call("landlock", SYS_LANDLOCK_CREATE, null, ctypes.c_size_t(0), ctypes.c_uint(1))
        everything = LAND_ALL_1
        for since, bit in ((2, 13), (3, 14), (5, 15)):
            if version >= since:
                everything |= 1 << bit
        words = [everything] + [3] * (version >= 4) + [3] * (version >= 6)
        attributes = (ctypes.c_uint64 * len(words))(*words)
        rules = kernel.call(
            "landlock", SYS_LANDLOCK_CREATE, ctypes.byref(attributes),
            ctypes.c_size_t(8 * len(words)), ctypes.c_uint(0),
        )
        allowed = [(path, LAND_READ) for path in self.readable + ["/etc/passwd", "/etc/group"]]
        allowed += [("/dev/" + name, LAND_FILE) for name in DEVICES]
        allowed += [(self.folder, everything & ~LAND_DEVICES)]
        if self.rooted:
            allowed += [(path, everything & ~LAND_DEVICES) for path in ("/tmp", "/dev/shm")] + [("/", LAND_READ)]
        else:
            allowed += [(path, LAND_READ) for path in ("/proc/self", "/sys/devices/system/cpu")]
        for path, access in allowed:
            try:
                file = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue
            if not os.path.isdir(path):
                access &= LAND_FILE
            rule = (access & everything).to_bytes(8, sys.byteorder) + file.to_bytes(4, sys.byteorder)
            kernel.call("landlock", SYS_LANDLOCK_ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint(0))
            os.close(file)
        kernel.call("landlock", SYS_LANDLOCK_RESTRICT, ctypes.c_int(rules), ctypes.c_uint(0))
        os.close(rules)

    def filter(self) -> None:
        program = bytes.fromhex(self.settings["filter"])
        if not program:
            raise Refused("there is none for this architecture")
        code = ctypes.create_string_buffer(program, len(program))
        header = (ctypes.c_uint64 * 2)(len(program) // 8, ctypes.addressof(code))
        self.kernel.prctl("seccomp", PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(header))
