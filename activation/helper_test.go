package activation

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// runHelper is main of the test binary in the role of a service. The script is
// a list of words, method=name or one of those below; it prints what it sees.
func runHelper(script string) {
	// A helper that is left alone must not stay for ever.
	time.AfterFunc(30*time.Second, func() { os.Exit(3) })

	set, err := Take()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer set.Close()
	for word := range strings.FieldsSeq(script) {
		method, name, _ := strings.Cut(word, "=")
		switch method {
		case "take-again":
			set, err = Take()
			if err != nil {
				fmt.Println(err)
				return
			}
		case "entries":
			for _, e := range set.Entries() {
				fmt.Println(describeEntry(e))
			}
		case "environment":
			for _, v := range os.Environ() {
				if strings.HasPrefix(v, "LISTEN_") {
					fmt.Println(v)
				}
			}
		case "echo":
			echoOnce(set, name)
		case "receive":
			receiveOnce(set, name)
		case "file":
			_, err := set.File(name)
			fmt.Println(maskPID(err))
		case "listener":
			_, err := set.Listener(name)
			fmt.Println(maskPID(err))
		}
	}
}

// maskPID makes an error of this process comparable.
func maskPID(err error) string {
	return strings.ReplaceAll(fmt.Sprint(err), fmt.Sprint("this one is ", os.Getpid()), "this one is {pid}")
}

func describeEntry(e Entry) string {
	flags, err := unix.FcntlInt(uintptr(e.FD), unix.F_GETFD, 0)
	if err != nil {
		return fmt.Sprintf("%s fd %d: %v", e.Name, e.FD, err)
	}
	info, err := inspect(e.FD)
	if err != nil {
		return fmt.Sprintf("%s fd %d: %v", e.Name, e.FD, err)
	}
	return fmt.Sprintf("%s fd %d cloexec %t %s", e.Name, e.FD, flags&unix.FD_CLOEXEC != 0, info.kind())
}

func echoOnce(set *Set, name string) {
	ln, err := set.Listener(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	conn, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil && err != io.EOF {
		fmt.Println(err)
		return
	}
	if _, err := conn.Write(buf[:n]); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("echoed over", ln.Addr().Network())
}

func receiveOnce(set *Set, name string) {
	pc, err := set.PacketConn(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pc.Close()
	buf := make([]byte, 64)
	n, _, err := pc.ReadFrom(buf)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("received %q over %s\n", buf[:n], pc.LocalAddr().Network())
}
