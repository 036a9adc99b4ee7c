package xmpp82

import (
	"context"
	"sync"
)

// keepBuffer is how many octets a buffer may have that is kept for another use.
const keepBuffer = 64 << 10

// encodings are for PDUs on their way out.
var encodings = sync.Pool{New: func() any { return new(encoding) }}

type encoding struct{ octets []byte }

func (e *encoding) free() {
	if cap(e.octets) <= keepBuffer {
		encodings.Put(e)
	}
}

// either is a context that ends with the first of two. What that takes is made when somebody waits, which is
// seldom. It is for one goroutine, which releases it.
type either struct {
	context.Context
	other  context.Context
	ended  context.Context // of both, once it is needed
	cancel func()
}

func (e *either) Done() <-chan struct{} {
	if e.ended == nil {
		ctx, cancel := context.WithCancel(e.Context)
		stop := context.AfterFunc(e.other, cancel)
		e.ended, e.cancel = ctx, func() { stop(); cancel() }
	}
	return e.ended.Done()
}

func (e *either) Err() error {
	if err := e.Context.Err(); err != nil {
		return err
	}
	return e.other.Err()
}

func (e *either) release() {
	if e.cancel != nil {
		e.cancel()
	}
}
