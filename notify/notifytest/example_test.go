package notifytest_test

import (
	"testing"

	"github.com/instar-project/instar/notify"
	"github.com/instar-project/instar/notify/notifytest"
)

// serve is the service under test.
func serve() error {
	n, err := notify.Take()
	if err != nil {
		return err
	}
	defer n.Close()
	return n.Send(notify.Ready, notify.Status("serving"))
}

func Example() {
	// func TestServe(t *testing.T)
	_ = func(t *testing.T) {
		m := notifytest.Start(t)
		t.Setenv("NOTIFY_SOCKET", m.Address())
		if err := serve(); err != nil {
			t.Fatal(err)
		}
		ready := m.Wait(notifytest.Has("READY=1"))
		if status, _ := ready.Get("STATUS"); status != "serving" {
			t.Errorf("status = %q", status)
		}
	}
}
