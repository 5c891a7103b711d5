package core

import "testing"

func TestDescribeSteps(t *testing.T) {
	const entries = `{"MESSAGE":"a","INSTAR_PREPARING_USEC":"4000","INSTAR_TAKING_OVER_USEC":"900","INSTAR_TOOK_USEC":"4900"}
{"MESSAGE":[104,105],"INSTAR_PREPARING_USEC":"6000","INSTAR_TAKING_OVER_USEC":"1100"}
`
	if got, err := describeSteps(entries); err != nil || got != "preparing 5 ms, taking over 1 ms" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := describeSteps(""); err != nil || got != "" {
		t.Errorf("without entries: %q, %v", got, err)
	}
	if got, err := describeSteps("no JSON\n"); err == nil {
		t.Errorf("no error but %q", got)
	}
}
