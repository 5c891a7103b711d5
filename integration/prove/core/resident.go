package core

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// resident is the memory of a process, in MB.
type resident struct{ anon, file float64 }

// memoryOf starts a web service, makes its requests, looks, and stops it.
func memoryOf(ctx context.Context, cmd *exec.Cmd, address string) (r resident, err error) {
	log, err := cmd.StderrPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(unix.SIGTERM))
		_, readErr := io.Copy(io.Discard, log)
		err = errors.Join(err, readErr, cmd.Wait())
	}()
	lines := bufio.NewScanner(log)
	if address == "" {
		if address, err = servingAddress(lines); err != nil {
			return r, err
		}
	}
	if err := makeRequests(ctx, "http://"+address+"/"); err != nil {
		return r, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return r, err
	}
	return parseResident(string(status))
}

// servingAddress reads a service's log until it says where it serves.
func servingAddress(log *bufio.Scanner) (string, error) {
	for log.Scan() {
		if _, address, ok := strings.Cut(log.Text(), "serving address="); ok {
			return address, nil
		}
	}
	return "", errors.Join(errors.New("the service ended before it served"), log.Err())
}

// makeRequests makes the requests on a few connections that are kept alive.
func makeRequests(ctx context.Context, url string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	errs := make([]error, clients)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() {
			for range requests / clients {
				if errs[i] = makeRequest(ctx, client, url); errs[i] != nil {
					return
				}
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func makeRequest(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

var (
	rssAnon = regexp.MustCompile(`(?m)^RssAnon:\s+(\d+) kB$`)
	rssFile = regexp.MustCompile(`(?m)^RssFile:\s+(\d+) kB$`)
)

// parseResident reads /proc/PID/status, whose kB are 1024 bytes.
func parseResident(status string) (r resident, err error) {
	for into, field := range map[*float64]*regexp.Regexp{&r.anon: rssAnon, &r.file: rssFile} {
		m := field.FindStringSubmatch(status)
		if m == nil {
			return r, fmt.Errorf("/proc/PID/status has no line %s", field)
		}
		kilobytes, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return r, err
		}
		*into = kilobytes * 1024 / megabyte
	}
	return r, nil
}
