package audit

import (
	"strconv"
	"testing"
	"time"
)

func TestThrottleIsOfAnAccountAndBounded(t *testing.T) {
	var th Throttle
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range 2 * eventsPerMinute {
		if ok, _ := th.Allow("a", now); ok != (i < eventsPerMinute) {
			t.Fatalf("event %d of a: reported is %t, want the first %d only", i, ok, eventsPerMinute)
		}
	}
	if ok, missed := th.Allow("b", now); !ok || missed != eventsPerMinute {
		t.Errorf("b beside a's flood: %t, %d missed, want true and %d", ok, missed, eventsPerMinute)
	}
	for i := range 2 * accountsPerMinute {
		th.Allow("n"+strconv.Itoa(i), now)
	}
	if len(th.told) != accountsPerMinute {
		t.Errorf("%d accounts are remembered, want %d", len(th.told), accountsPerMinute)
	}
	if ok, missed := th.Allow("a", now.Add(time.Minute)); !ok || missed == 0 || len(th.told) != 1 {
		t.Errorf("a minute later: %t, %d missed, %d accounts remembered, want true, more than 0 and 1", ok, missed, len(th.told))
	}
	if ok, _ := th.Allow("a", now.Add(-time.Hour)); !ok {
		t.Error("after the clock was set back nothing is reported")
	}
}
