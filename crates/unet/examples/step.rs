//! scratch
use kernels::*; use unet::*; use std::time::Instant;
fn main(){ rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
 let n32=std::env::args().any(|a|a=="n32"); let s:usize=std::env::args().nth(1).and_then(|s|s.parse().ok()).unwrap_or(96);
 let spec= if n32 {NetSpec::n32()} else {NetSpec{inputs:4,outputs:3,widths:vec![16,32,64,128,256],norm:Norm::Instance,activation:Activation::LeakyRelu,down:Down::Strided,up:Up::Transposed,dropout:0.,deep_supervision:2}};
 let mut net=Net::new(&spec,[s;3],Purpose::Train,Cpu::detect()).unwrap(); let w=weights::initial(&spec,1).unwrap(); let mut g=vec![0f32;w.len()]; println!("params {} MB {}",w.len(),net.bytes()>>20);
 let x:Vec<f32>=(0..4*s*s*s).map(|i| ((i*7919)%1000) as f32/500.-1.).collect();
 for _ in 0..4 { let t=Instant::now(); net.load(&w); let a=t.elapsed(); net.forward(&x,None); let b=t.elapsed(); for (_,_,d) in net.heads_mut() { d.fill(1e-3); } net.backward(&mut g); let c=t.elapsed(); println!("load {a:?} forward {:?} backward {:?} total {c:?} logit {}",b-a,c-b,net.logits(0)[5]); } }
