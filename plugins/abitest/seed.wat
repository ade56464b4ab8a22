;; Sets the seed of its frame as the value: what the kit compares a probe's seed with.
(module
  (memory (export "memory") 2)
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  ;; A larger frame gets new pages.
  (func (export "kv_alloc") (param $n i32) (result i32)
    (if (result i32) (i32.le_u (local.get $n) (i32.const 65536))
      (then (i32.const 65536))
      (else (i32.shl (memory.grow (i32.shr_u (local.get $n) (i32.const 16))) (i32.const 16)))))
  (func (export "handle_conflict") (param $f i32) (result i32)
    (i32.store offset=40 (local.get $f) (i32.add (local.get $f) (i32.const 32)))
    (i32.store offset=44 (local.get $f) (i32.const 8))
    (i32.const 1)))
