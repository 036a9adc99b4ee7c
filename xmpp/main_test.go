package xmpp

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	theSite() // on the clock outside of all bubbles
	goleak.VerifyTestMain(m)
}
