// Package client is the Go client of a Runsheet server.
//
//	c, err := client.New(client.Options{URL: "http://127.0.0.1:8420", Token: token})
//	job, err := c.AddJob(ctx, client.JobInput{
//		JobType: "command",
//		Params:  json.RawMessage(`{"argv":["/bin/echo","hello"]}`),
//	}, client.Call{})
//	job, err = c.WaitJob(ctx, job.JobID, nil)
//
// The types are generated from the server's OpenAPI document. Each method is
// one operation of the API, and is safe to repeat: requests that create
// something carry an Idempotency-Key, so that a lost answer never makes a second
// job. A request that met a broken connection or a busy server is repeated a few
// times before an error is returned.
//
// Errors are *Problem when the server answered and *Unreachable when it did
// not; everything else is an error of the arguments or of the context.
package client
