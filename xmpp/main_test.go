package xmpp

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	theSite() // on the clock outside of all bubbles
	theOther()
	goleak.VerifyTestMain(m)
}
