package status

import (
	"fmt"
	"reflect"
	"time"

	"github.com/instar-project/instar/internal/inside"
	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"

	"github.com/godbus/dbus/v5"
)

// stateFromWire reads the properties of a service, of whatever version: one that is
// missing is zero, one that is unknown is ignored, and the same goes for the fields that a
// later version has added at the end of a struct.
func stateFromWire(raw map[string]dbus.Variant) (State, error) {
	var w struct {
		Unit, Phase, Build, Version, Revision  string
		Unsettled                              string
		Killed                                 uint32
		Generation, MainPID, Connections       uint32
		StoreUsed, StoreMax                    uint32
		Keeps                                  bool
		Attempts, AttemptsNotLasting, Reported uint64
		MainSinceUSec                          uint64
		Draining                               []wireDraining
		Sockets                                []wireSocket
		Verdict                                verdict.Record
		UnitProblems, RestartNeeded            []string
	}
	fields := reflect.ValueOf(&w).Elem()
	for i := range fields.NumField() {
		property := fields.Type().Field(i).Name
		v, ok := raw[property]
		if !ok {
			continue
		}
		if err := store(v.Value(), fields.Field(i).Addr().Interface()); err != nil {
			return State{}, fmt.Errorf("the property %s: %w", property, err)
		}
	}
	s := State{
		Unit: w.Unit, Phase: w.Phase, Build: w.Build, Version: w.Version, Revision: w.Revision,
		Generation: int(w.Generation), MainPID: int(w.MainPID), Connections: int(w.Connections),
		Killed: int(w.Killed), Unsettled: w.Unsettled,
		StoreUsed: int(w.StoreUsed), StoreMax: int(w.StoreMax), Keeps: w.Keeps,
		Attempts: int(w.Attempts), NotLasting: int(w.AttemptsNotLasting),
		Reported: int(w.Reported), Verdict: w.Verdict.Verdict(),
		UnitProblems: w.UnitProblems, RestartNeeded: w.RestartNeeded,
	}
	if w.MainSinceUSec != 0 {
		s.Since = time.UnixMicro(int64(w.MainSinceUSec))
	}
	for _, d := range w.Draining {
		s.Draining = append(s.Draining, reload.Draining{
			Party:       verdict.PartyRecord{Generation: d.Generation, PID: d.PID, Build: d.Build}.Party(),
			Connections: int(d.Connections),
			Deadline:    time.UnixMicro(int64(d.DeadlineUSec)),
		})
	}
	for _, w := range w.Sockets {
		s.Sockets = append(s.Sockets, inside.Socket(w))
	}
	return s, nil
}

// store is [dbus.Store] of one value, without the fields that the sender has and
// this version does not, and with zero for those that the sender does not have.
func store(value any, into any) error {
	return dbus.Store([]any{known(value, reflect.TypeOf(into).Elem())}, into)
}

// known cuts off surplus fields of a value for a variable of type t, and fills in
// missing ones. godbus makes a []any of a D-Bus struct, and a [][]any of an array of
// them.
func known(value any, t reflect.Type) any {
	switch t.Kind() {
	case reflect.Slice:
		all, ok := value.([][]any)
		if !ok {
			return value
		}
		cut := make([][]any, len(all))
		for i, one := range all {
			cut[i], _ = known(one, t.Elem()).([]any)
		}
		return cut
	case reflect.Struct:
		fields, ok := value.([]any)
		if !ok || len(fields) == 0 {
			return value // which dbus.Store refuses
		}
		var cut []any
		for i := range t.NumField() {
			switch field := t.Field(i); {
			case field.Tag.Get("dbus") == "-":
			case len(cut) < len(fields):
				cut = append(cut, known(fields[len(cut)], field.Type))
			default:
				cut = append(cut, reflect.Zero(field.Type).Interface())
			}
		}
		return cut
	}
	return value
}
