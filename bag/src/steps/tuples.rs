//! Bags of tuples: `starmap` and `unzip`.

use crate::bag::Bag;

macro_rules! starmap {
    ($($t:ident $x:ident),+: $example:literal) => {
        impl<$($t: Send + Sync + 'static),+> Bag<($($t,)+)> {
            /// `function` of the members of each tuple.
            ///
            /// ```
            /// use arras_bag::Bag;
            /// use arras_core::evaluate;
            #[doc = $example]
            /// # Ok::<(), arras_core::Error>(())
            /// ```
            pub fn starmap<Out, Function>(&self, function: Function) -> Bag<Out>
            where
                Out: Send + Sync + 'static,
                Function: Fn($(&$t),+) -> Out + Send + Sync + 'static,
            {
                self.mapped::<Function, _, _>("starmap", (), move |(), ($($x),+)| function($($x),+))
            }
        }
    };
}
starmap!(A a, B b: "assert_eq!(evaluate(&Bag::from_sequence([(1, 2), (3, 4)], 2).starmap(|a, b| a + b))?, [3, 7]);");
starmap!(A a, B b, C c: "assert_eq!(evaluate(&Bag::from_sequence([(1, 2, 3)], 1).starmap(|a, b, c| a + b + c))?, [6]);");
starmap!(A a, B b, C c, D d: "assert_eq!(evaluate(&Bag::from_sequence([(1, 2, 3, 4)], 1).starmap(|a, b, c, d| a + b + c + d))?, [10]);");
starmap!(A a, B b, C c, D d, E e: "assert_eq!(evaluate(&Bag::from_sequence([(1, 2, 3, 4, 5)], 1).starmap(|a, b, c, d, e| a + b + c + d + e))?, [15]);");
starmap!(A a, B b, C c, D d, E e, F f: "assert_eq!(evaluate(&Bag::from_sequence([(1, 2, 3, 4, 5, 6)], 1).starmap(|a, b, c, d, e, f| a + b + c + d + e + f))?, [21]);");

impl<A, B> Bag<(A, B)>
where
    A: Clone + Send + Sync + 'static,
    B: Clone + Send + Sync + 'static,
{
    /// A bag of the first members and a bag of the second.
    ///
    /// Each goes through the pairs on its own, if they are computed apart; persist the pairs if they are dear to make and do not lie in memory.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (numbers, letters) = Bag::from_sequence([(1, 'a'), (2, 'b')], 2).unzip();
    /// assert_eq!(evaluate(&(numbers, letters))?, (vec![1, 2], vec!['a', 'b']));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn unzip(&self) -> (Bag<A>, Bag<B>) {
        (self.mapped::<fn(A), _, _>("unzip", (), |(), (a, _)| a.clone()), self.mapped::<fn(B), _, _>("unzip", (), |(), (_, b)| b.clone()))
    }
}
